"""A run whose items come and go between trainings: as if it had been trained with them."""

import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recembed
from recembed.errors import DataError
from recembed.models.stored import ranker_of
from recembed.pipeline.update import Updated
from recembed.recommender import Recommender
from recembed.run.folder import Run
from recembed.run.log import load_log

FEATURES = {"item2vec": ("features", "colour"), "two-tower": ("features.categories", "colour")}
ALL = 1000  # more items than the shop has


@pytest.fixture(scope="module")
def placing(shop, call, tmp_path_factory):
    """Model -> a run that can place new items by their colour; never change one."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = tmp_path_factory.mktemp("placing") / name
            options = {"dim": 8, "epochs": 4, FEATURES[name][0]: FEATURES[name][1]}
            options |= {"negatives": 3} if name == "item2vec" else {"batch_size": 64}
            given = [part for pair in options.items() for part in ("--set", f"{pair[0]}={pair[1]}")]
            command = ("train", shop.log, "--items", shop.items, "--model", name, *given)
            call(*command, "--test", "last:1", "--out", runs[name], "--threads", 1, "--quiet")
        return runs[name]

    return run


@pytest.fixture
def grown(placing, tmp_path):
    """Model -> a copy of its run, to change."""
    return lambda name: shutil.copytree(placing(name), tmp_path / f"grown {name}")


def things(*rows, names=("item_id", "title", "colour")):
    columns = zip(*rows, strict=True)
    return pa.table({name: pa.array(list(one)) for name, one in zip(names, columns, strict=True)})


def listed(recommender, user, **wish):
    return [one.item for one in recommender.recommend(user, ALL, **wish)]


def test_what_was_removed_still_explains_what_it_carries(copied):
    run = copied("als")
    before = Recommender.load(run).recommend("u001", 3, because=50)
    carries = {why.item for one in before for why in one.because}
    gone = max(carries - {one.item for one in before})
    recembed.update(run, remove=[gone])
    assert Recommender.load(run).recommend("u001", 3, because=50) == before


@pytest.mark.parametrize("name", FEATURES)
def test_a_new_item_is_found_with_its_title_among_those_of_its_colour(grown, name):
    run = grown(name)
    rows = [("new", "New thing", "colour 2"), ("odd", "Odd thing", "no colour of theirs")]
    assert recembed.update(run, items=things(*rows)) == Updated(2, 1, unplaced=("odd",))
    recommender = Recommender.load(run)
    first = next(iter(recommender.recommend("u002", 1, allow=["new", "odd"])))
    assert (first.item, first.title) == ("new", "New thing")
    assert "odd" not in listed(recommender, "u002")
    assert listed(recommender, "u003", where={"colour": "colour 2"}).count("new") == 1
    near = [int(one.item) for one in recommender.similar("new", 5)]
    assert {item // 15 for item in near} == {2}
    assert recommender.recommend_for(["new"], 3).reason == "model"
    assert recommender.recommend_for(["odd"], 3).reason != "model"


@pytest.mark.parametrize("name", FEATURES)
def test_answers_about_other_items_stay_as_they_are(grown, placing, name):
    run = grown(name)
    recembed.update(run, items=things(("new", "New thing", "colour 2")))
    before, after = Recommender.load(placing(name)), Recommender.load(run)
    for user in ("u000", "u041", "u119"):
        old = [(one.item, one.score) for one in before.recommend(user, ALL)]
        new = [(one.item, one.score) for one in after.recommend(user, ALL)]
        assert [pair for pair in new if pair[0] != "new"] == old


@pytest.mark.parametrize("kind", ["annoy", "exact"])
def test_after_any_changes_lists_are_those_of_exact_search_over_what_is_left(grown, call, kind):
    run, random = grown("item2vec"), np.random.default_rng(6)
    call("index", run, "--kind", kind, "--quiet")
    there, removed, fresh = {f"{item:03}" for item in range(60)}, set(), 0
    for step in range(8):
        rows = [(f"new {fresh + at}", "A thing", f"colour {random.integers(4)}") for at in range(3)]
        back = sorted(removed)[: int(random.integers(0, 2))]
        rows += [(id, "of another title", "of another colour") for id in back]
        gone = random.choice(sorted(there), 3, replace=False).tolist()
        done = recembed.update(run, items=things(*rows), remove=gone)
        fresh += 3
        assert done == Updated(
            added=3,
            placed=3,
            removed=3 - len({*gone} & removed),
            back=len(back) - len({*gone} & {*back}),
        )
        there |= {id for id, *_ in rows}
        removed = (removed - {*back}) | {*gone}
        if step == 5:
            call("index", run, "--kind", kind, "--quiet")
        asked = Recommender.load(run)
        users = asked.model.users(asked.log.interactions)
        ids = asked.log.interactions.items.ids.to_pylist()
        scores = users.astype(np.float64) @ asked.model.items.vectors.T.astype(np.float64)
        left = [at for at, id in enumerate(ids) if id in there - removed]
        for user in (0, 50, 90):
            expected = np.sort(scores[user, left])[::-1]
            k = int(random.integers(1, 90))
            made = asked.recommend(asked.log.interactions.users.id(user), k, exclude_seen=False)
            assert len(made) == min(k, len(there - removed))
            assert np.allclose([one.score for one in made], expected[:k], atol=1e-6)
            assert not {one.item for one in made} & removed


@pytest.mark.parametrize("name", ["popularity", "item-knn", "als", "item2vec"])
def test_removed_items_are_listed_nowhere_and_still_place_their_users(copied, shop, name):
    run, user = copied(name), "u004"
    mine = sorted({event[1] for event in shop.events if event[0] == user})
    before = Recommender.load(run).recommend(user, ALL, exclude_seen=False)
    gone = [*mine, before[0].item]
    assert recembed.update(run, remove=gone).removed == len({*gone})
    after = Recommender.load(run)
    made = after.recommend(user, ALL, exclude_seen=False)
    assert made.reason == before.reason
    kept = [(one.item, one.score) for one in before if one.item not in gone]
    assert [(one.item, one.score) for one in made] == kept
    assert listed(after, user, allow=[*gone, kept[-1][0]]) == [kept[-1][0]]
    assert not {*gone} & {one.item for one in after.recommend("nobody", ALL)}
    if name != "popularity":
        assert not {*gone} & {one.item for one in after.similar(kept[0][0], ALL)}
        assert len(after.similar(mine[0], 3)) == 3


def test_what_is_described_anew_comes_back_and_what_is_named_goes(copied, shop):
    run = copied("als")
    assert recembed.update(run, remove=["003", "004"]) == Updated(removed=2)
    assert recembed.update(run, remove=["003"]) == Updated()
    rows = things(("003", "x", "y"), ("004", "x", "y"), ("005", "x", "y"))
    assert recembed.update(run, items=rows, remove=["005"]) == Updated(removed=1, back=2)
    found = listed(Recommender.load(run), "u001", exclude_seen=False)
    assert {"003", "004"} < {*found}
    assert "005" not in found
    assert load_log(Run.open(run))[0].items.table["title"].to_pylist()[:1] != ["x"]


def test_evaluation_sees_the_run_as_serving_does(grown, call):
    run = grown("two-tower")
    report = recembed.evaluate(run, k=10, html=False, quiet=True)
    recembed.update(run, items=things(("new", "New", "colour 1")), remove=["016", "031", "002"])
    again = recembed.evaluate(run, k=10, html=False, quiet=True)
    name = report.ranking[0]
    assert again.to_json() != report.to_json()
    ranker = ranker_of(Run.open(run))[0]
    assert np.count_nonzero(ranker.known) == 60 + 1 - 3  # two are of no trained item's colour
    assert name in again.ranking


def test_runs_that_no_longer_have_the_same_items_are_not_compared(grown, placing, tmp_path):
    run = grown("two-tower")
    recembed.update(run, items=things(("new", "New", "colour 1")))
    says = r"has 1 item that .* lacks: update or train both"
    with pytest.raises(recembed.errors.RunError, match=says):
        recembed.evaluate([run, placing("two-tower")], out=tmp_path / "out", quiet=True)


def test_the_command_reads_ids_as_the_run_has_them(grown, call, tmp_path):
    run, table = grown("item2vec"), tmp_path / "new.csv"
    table.write_text("item_id,colour,weight\n062,colour 0,3\n1000,colour 1,4\n")
    done = call("update", run, "--items", table, "--remove", "007").answers
    assert done == [{"added": 2, "placed": 2, "removed": 1, "back": 0, "unplaced": []}]
    found = listed(Recommender.load(run), "u000", exclude_seen=False)
    assert "1000" in found
    assert "007" not in found
    table.write_text("item_id,colour\n1001,colour 0\n")  # these alone look like numbers
    assert call("update", run, "--items", table).answers[0]["added"] == 1
    assert "1001" in listed(Recommender.load(run), "u000")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("als", {}, "name items to add"),
        ("als", {"remove": ["003", "none such"]}, "1 of 2 items are unknown, first: 'none such'"),
        ("als", {"items": things(("new", "New", "red"))}, "this als cannot place an item"),
        (
            "popularity",
            {"items": things(("new", "New", "red"))},
            "popularity has no vectors to place",
        ),
        ("als", {"items": things((1, "New", "red"))}, "item ids are"),
        ("als", {"items": things(("new", "New", [1.5]))}, "column 'colour' holds list"),
        ("als", {"items": things(("new", "New", "red"), ("new", "New", "red"))}, "twice"),
        ("als", {"items": things(("new", "New"), names=("thing", "title"))}, "item column"),
        ("als", {"items": "nowhere.csv"}, "there is no file"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(made, contents, name, options, says):
    before = contents(made(name))
    with pytest.raises(DataError, match=says):
        recembed.update(made(name), **options)
    after = contents(made(name))
    assert {**after, ".lock": b""} == {**before, ".lock": b""}


def test_a_run_without_an_item_table_says_so(shop, call, tmp_path):
    call("train", shop.log, "--model", "popularity", "--out", tmp_path / "run", "--quiet")
    with pytest.raises(DataError, match="has no item table"):
        recembed.update(tmp_path / "run", items=things(("new", "New", "red")))
    assert recembed.update(tmp_path / "run", remove=["001"]).removed == 1


def test_forgetting_users_keeps_what_was_changed(grown):
    run = grown("item2vec")
    recembed.update(run, items=things(("new", "New", "colour 1")), remove=["001"])
    before = listed(Recommender.load(run), "u009")
    recembed.forget(run, user=["u100"])
    assert listed(Recommender.load(run), "u009") == before
    assert "new" in before
    recembed.update(run, items=things(("newer", "Newer", "colour 1")))
    assert {*listed(Recommender.load(run), "u009")} == {*before, "newer"}


def test_everybodys_lists_follow_the_changes(grown, tmp_path):
    run = grown("two-tower")
    recembed.update(run, items=things(("new", "New", "colour 1")), remove=["001"])
    recembed.recommend(run, all_users=True, out=tmp_path / "recs", k=ALL, seen="allow", quiet=True)
    items = pq.read_table(tmp_path / "recs")["item"].to_pylist()
    assert items.count("new") == 120
    assert "001" not in items


def test_no_torch_is_needed(grown):
    script = """
import sys, pyarrow as pa, recembed
recembed.update(sys.argv[1], items=pa.table({"item_id": ["new"], "colour": ["colour 1"]}))
found = recembed.recommend(sys.argv[1], user="u000", allow=["new"])
assert [one.item for one in found[0]] == ["new"]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, grown("two-tower")], check=True)


def test_reports_of_other_lists_go_and_removed_items_are_not_exported(copied, tmp_path):
    run, out = copied("als"), tmp_path / "items.parquet"
    recembed.evaluate(run, quiet=True)
    assert Run.open(run).has("report.json")
    gone = Recommender.load(run).recommend("u001", 1)[0].item
    recembed.update(run, remove=[gone])
    assert not Run.open(run).has("report.json")
    recembed.export(run, out=out)
    exported = pq.read_table(out)["id"].to_pylist()
    assert exported
    assert gone not in exported
