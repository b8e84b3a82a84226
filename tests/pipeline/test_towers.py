"""Runs of two-tower models: a cosine stays a cosine, and users' own vectors find their users."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from recembed.recommender import Recommender

QUICK = ("--quiet", "--threads", "1", "--model", "two-tower", "--set", "dim=8")
QUICK += ("--set", "epochs=4", "--set", "batch_size=64", "--set", "learning_rate=0.02")


def vectors(path):
    table = pq.read_table(path)
    return dict(zip(table["id"].to_pylist(), np.stack(table["vector"].to_numpy()), strict=True))


@pytest.fixture(scope="module")
def cosines(shop, call, tmp_path_factory):
    """A run trained for cosines, with an Annoy index."""
    run = tmp_path_factory.mktemp("cosines") / "run"
    call("train", shop.log, "--out", run, *QUICK, "--set", "score=cosine", "--test", "last:1")
    call("index", run, "--kind", "annoy", "--quiet")
    return run


@pytest.mark.parametrize("index", ["exact", "annoy"])
def test_what_is_exported_of_a_cosine_scores_as_what_is_served(cosines, call, tmp_path, index):
    for what in ("items", "users", "neighbours"):
        call("export", cosines, "--out", tmp_path / what, "--what", what)
    items, users = vectors(tmp_path / "items"), vectors(tmp_path / "users")
    near = vectors(tmp_path / "neighbours")
    for each in (items, users, near):
        assert np.allclose(np.linalg.norm(np.stack(list(each.values())), axis=1), 1)
    served = Recommender.load(cosines, index=index)
    for user in list(users)[:5]:
        for found in served.recommend(user, 5):
            assert found.score == pytest.approx(users[user] @ items[found.item], abs=1e-5)
    for found in served.similar("001", 5):
        assert found.score == pytest.approx(near["001"] @ near[found.item], abs=1e-5)


def numbered(shop, folder):
    """The shop's log with users 0, 1, 2 ..., in order of their names."""
    rows = {user: at for at, user in enumerate(shop.sizes)}
    lines = [f"{rows[user]},{item},{time}" for user, item, time, _ in shop.events]
    path = folder / "numbered.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines, ""]))
    return path


def test_a_user_is_served_with_their_own_vector_and_a_guest_never_is(shop, call, tmp_path):
    """Users are numbers here, as the rows of histories are."""
    run, log = tmp_path / "run", numbered(shop, tmp_path)
    more = ("--set", "users.ids=true", "--set", "users.dropout=0", "--test", "last:1")
    call("train", log, "--out", run, *QUICK, *more)
    served = Recommender.load(run, index="exact")
    model = served.model
    assert len(model.people.ids) == len(shop.sizes)
    for user in (0, 1, 5):
        events = served.log.interactions
        row = events.users.rows([user])
        history = events.items.take(events.events[row[0]]).to_pylist()
        own = model.people.vectors[model.people.ids.rows([user])[0]]
        known, guest = served.recommend(user, 5), served.recommend_for(history, 5)
        asked = model.users(events.take_users(row))[0]
        assert [each.score for each in known] != [each.score for each in guest]
        for each in guest:
            item = model.items.vectors[events.items.rows([each.item])[0]]
            assert each.score == pytest.approx((asked - own) @ item, abs=1e-4)


def test_users_are_told_apart_by_the_user_table_in_evaluation_as_in_serving(shop, call, tmp_path):
    towns = [f"{user},t{int(user[1:]) % 4}" for user in shop.sizes]  # as the clusters are
    (tmp_path / "users.csv").write_text("\n".join(["user_id,town", *towns, ""]))
    found = {}
    for name, more in (("town", ("--set", "users.categories=town")), ("none", ())):
        run = tmp_path / name
        users = ("--users", tmp_path / "users.csv", "--test", "groups:0.3")
        columns = ("--columns", "group=basket", "--set", "tower=attention", "--set", "reach=1")
        call("train", shop.log, "--out", run, *QUICK, *columns, *users, *more)
        call("evaluate", run, "--out", tmp_path / f"report of {name}", "--quiet")
        report = json.loads((tmp_path / f"report of {name}" / "report.json").read_text())
        found[name] = next(iter(report["models"].values()))["recall@10"]["mean"]
    assert found["town"] > found["none"] + 0.05
