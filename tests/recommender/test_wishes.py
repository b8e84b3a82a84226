import threading
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, RunError
from recembed.models.registry import estimator
from recembed.protocols import Machine
from recembed.recommender import Recommender
from recembed.run.folder import Run, writing
from recembed.run.log import store_log
from recembed.settings import as_dict

ONE = Machine(threads=1)
ITEMS = 12
SETTINGS = {
    "popularity": {},
    "item-knn": {"neighbours": 20},
    "ease": {},
    "als": {"dim": 4},
    "item2vec": {"dim": 8, "epochs": 5},
}


def shop():
    """40 users over 12 items of three kinds, two tags each; times rise."""
    random = np.random.default_rng(3)
    users = np.repeat(np.arange(40), 5)
    items = np.concatenate([random.permutation(ITEMS)[:5] for _ in range(40)])
    events = build(
        pa.array([f"u{user}" for user in users]),
        pa.array([f"i{item}" for item in items]),
        sort_key=np.arange(len(items)),
        time=np.arange(len(items)) + 1000,
        order="time",
    )
    number = [int(id[1:]) for id in events.items.ids.to_pylist()]
    about = pa.table(
        {
            "kind": [("a", "b", "c")[n % 3] for n in number],
            "price": [n % 4 for n in number],
            "size": np.array([n % 4 / 2 for n in number], np.float16),
            "tags": [["even" if n % 2 == 0 else "odd", f"t{n % 5}"] for n in number],
            "name": [f"Item {n}" for n in number],
        }
    )
    return Log(events, Catalogue(events.items, about, "name"))


def write(folder, name="item2vec", log=None, **facts):
    log = log or shop()
    model = estimator(name, SETTINGS[name])
    fitted = model.fit(log, seed=1, machine=ONE)
    with writing(folder, new=True) as writer:
        store_log(writer, log, np.zeros(len(log.interactions), np.uint8))
        writer.arrays("model", fitted.arrays())
        writer.facts({"model": name, "setting": as_dict(model), "repeats": False, **facts})
    return folder


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("runs"), {}

    def of(name):
        if name not in made:
            made[name] = Recommender.load(write(root / name, name), machine=ONE)
        return made[name]

    return of


def ids(answer):
    return [one.item for one in answer]


def kind(id):
    return ("a", "b", "c")[int(id[1:]) % 3]


def test_a_column_chooses_what_may_come(loaded):
    shop = loaded("item2vec")
    for where, holds in (
        ({"kind": "a"}, lambda n: n % 3 == 0),
        ({"kind": ["a", "b"]}, lambda n: n % 3 < 2),
        ({"kind": "a", "price": 0}, lambda n: n % 12 == 0),
        ({"price": "2"}, lambda n: n % 4 == 2),
        ({"size": 1.5}, lambda n: n % 4 == 3),
        ({"tags": "even"}, lambda n: n % 2 == 0),
        ({"tags": ["t1", "odd"]}, lambda n: n % 2 == 1 or n % 5 == 1),
    ):
        answer = shop.recommend("u1", ITEMS, exclude_seen=False, where=where)
        assert set(ids(answer)) == {f"i{n}" for n in range(ITEMS) if holds(n)}


def test_a_value_that_no_item_has_leaves_nothing_and_says_so(loaded):
    answer = loaded("item2vec").recommend("u1", 3, where={"kind": "zzz"})
    assert ids(answer) == []
    assert answer.note == "0 items instead of 3: no more are eligible"


def test_columns_that_are_not_there_are_named(loaded, tmp_path):
    with pytest.raises(DataError, match="it has: kind, price, size"):
        loaded("item2vec").recommend("u1", where={"colour": "red"})
    with pytest.raises(DataError, match="column 'price' holds int64, not \\['cheap'\\]"):
        loaded("item2vec").recommend("u1", where={"price": "cheap"})
    bare = write(tmp_path / "bare", log=Log(shop().interactions))
    with pytest.raises(DataError, match="no column 'kind': the run has no item table"):
        Recommender.load(bare).recommend("u1", cap={"kind": 1})


def test_a_cap_holds_and_the_list_is_as_full_as_it_can_be(loaded):
    answer = loaded("item2vec").recommend("u1", 6, exclude_seen=False, cap={"kind": 2})
    assert sorted(map(kind, ids(answer))) == ["a", "a", "b", "b", "c", "c"]
    best = loaded("item2vec").recommend("u1", ITEMS, exclude_seen=False)
    for one in "abc":
        mine = [id for id in ids(best) if kind(id) == one]
        assert [id for id in ids(answer) if kind(id) == one] == mine[:2]
    answer = loaded("item2vec").recommend("u1", 9, exclude_seen=False, cap={"kind": 2})
    assert answer.note == "6 items instead of 9: no more are eligible"


def test_a_cap_looks_further_than_its_first_pool(tmp_path):
    n = 200  # one kind fills the first 150 places
    users = pa.array(np.repeat(np.arange(n, 0, -1), np.arange(n, 0, -1)).astype(str))
    items = pa.array(np.concatenate([np.arange(each) for each in range(n, 0, -1)]))
    events = build(users, items, order="position")
    kinds = pa.table(
        {"kind": ["many" if id < 150 else f"k{id}" for id in events.items.ids.to_pylist()]}
    )
    log = Log(events, Catalogue(events.items, kinds))
    shop = Recommender.load(write(tmp_path / "run", "popularity", log))
    answer = shop.recommend("nobody", 5, cap={"kind": 1})
    assert ids(answer) == [0, 150, 151, 152, 153]


def test_diversity_lists_items_that_are_farther_apart(loaded):
    shop = loaded("item2vec")
    vectors = shop.model.neighbours.vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def alike(answer):
        rows = shop.log.interactions.items.rows(ids(answer))
        cosines = unit[rows] @ unit[rows].T
        return (cosines.sum() - len(rows)) / (len(rows) * (len(rows) - 1))

    plain, mixed = (
        np.mean(
            [
                alike(shop.recommend(f"u{user}", 4, exclude_seen=False, diversity=diversity))
                for user in range(40)
            ]
        )
        for diversity in (0.0, 0.8)
    )
    assert mixed < plain - 0.05


def test_diversity_without_vectors_is_one_clear_error(loaded):
    with pytest.raises(DataError, match="diversity needs item vectors"):
        loaded("popularity").recommend("u1", diversity=0.5)


@pytest.mark.parametrize("name", ["item-knn", "ease", "als", "item2vec"])
def test_reasons_are_items_of_the_history_and_their_shares_add_up_to_one(loaded, name):
    shop = loaded(name)
    history = shop.log.interactions.events[shop.log.interactions.users.rows(["u3"])[0]]
    seen = set(shop.log.interactions.items.take(history).to_pylist())
    answer = shop.recommend("u3", 4, because=50)
    told = [why for one in answer for why in one.because]
    assert told
    assert {why.item for why in told} <= seen
    for one in answer:
        shares = [why.share for why in one.because]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1 if shares else 0)
    plain = shop.recommend("u3", 4)
    assert ids(plain) == ids(answer)
    assert not any(one.because for one in plain)
    assert answer[0].to_dict()["because"][0].keys() == {"item", "share", "title"}
    assert "because" not in plain[0].to_dict()


def test_the_reason_of_item_knn_is_what_its_similarities_say(loaded):
    """Its score is a sum over the history, so each item carries its own similarity."""
    shop = loaded("item-knn")
    items, similarity = shop.log.interactions.items, shop.model.similarity.toarray()
    history = ["i0", "i5", "i7"]
    answer = shop.recommend_for(history, 3, because=3)
    for one in answer:
        into = similarity[items.rows(history), items.rows([one.item])[0]]
        want = dict(zip(history, into / into.sum(), strict=True))
        assert {why.item: why.share for why in one.because} == pytest.approx(
            {item: share for item, share in want.items() if share > 0}, abs=1e-5
        )


def test_popular_items_have_no_reasons(loaded):
    answer = loaded("item2vec").recommend("stranger", 3, because=2)
    assert [one.because for one in answer] == [(), (), ()]


wishes = st.fixed_dictionaries(
    {},
    optional={
        "exclude_seen": st.booleans(),
        "where": st.sampled_from([{"kind": "a"}, {"kind": ["b", "c"], "tags": "even"}]),
        "cap": st.sampled_from([{"kind": 1}, {"kind": 2, "price": 1}]),
        "diversity": st.sampled_from([0.3, 1.0]),
        "exclude": st.lists(st.sampled_from([f"i{n}" for n in range(ITEMS)]), max_size=4),
        "because": st.integers(0, 3),
        "basket": st.lists(st.sampled_from([f"i{n}" for n in range(ITEMS)]), max_size=2),
    },
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wishes, st.lists(st.sampled_from(["u1", "u2", "u3", "new"]), min_size=1, max_size=5))
def test_many_users_get_what_each_gets_alone(loaded, wish, users):
    together = loaded("item2vec").recommend_many(users, 5, **wish)
    assert together == [loaded("item2vec").recommend(user, 5, **wish) for user in users]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"diversity": 1.5}, "diversity lies between 0 and 1"),
        ({"diversity": float("nan")}, "diversity lies between 0 and 1"),
        ({"k": 10**20}, "k must be at least 1, not 10{20}, and below 2"),
        ({"cap": {"kind": 0}}, "at least 1 item"),
        ({"because": 51}, "because is a number from 0 to 50"),
        ({"because": 2.5}, "because takes a whole number, not 2.5"),
        ({"diversity": "0.5"}, "diversity is no real: '0.5'"),
        ({"cap": {"kind": "1"}}, "kind takes a whole number, not '1'"),
        ({"where": "kind=a"}, "where is no mapping: 'kind=a'"),
        ({"allow": "abc"}, "a list of ids is needed"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(loaded, wish, says):
    with pytest.raises(DataError, match=says):
        loaded("item2vec").recommend("u1", **{"k": 3, **wish})


def newer(users, items, times):
    return pa.table({"user_id": users, "item_id": items, "timestamp": times})


def test_newer_events_go_on_with_histories(tmp_path):
    run = write(tmp_path / "run", "item2vec")
    old = Recommender.load(run)
    events = old.log.interactions
    row = events.users.rows(["u1"])[0]
    mine = events.items.take(events.events[row]).to_pylist()
    fresh = next(f"i{n}" for n in range(ITEMS) if f"i{n}" not in mine)
    late = newer(["u1", "u1", "brand-new"], [fresh, "unheard-of", "i3"], [9000, 9001, 9002])
    new = Recommender.load(run, history=late)
    assert fresh not in ids(new.recommend("u1", ITEMS))
    assert ids(new.recommend("u1", 4)) == ids(new.recommend_for([*mine, fresh], 4))
    assert ids(new.recommend("u2", 4)) == ids(old.recommend("u2", 4))
    assert new.recommend("brand-new").reason == "model"
    assert "1 of 3 newer events are of items that the run lacks" in new.recommend("u1").note


def test_newer_events_that_the_run_has_already_count_once(tmp_path):
    run, log = write(tmp_path / "run"), shop().interactions
    users = log.users.take(log.events.owners()).to_pylist()
    again = newer(users, log.items.take(log.rows).to_pylist(), log.time.tolist())
    both = Recommender.load(run, history=again).log.interactions
    assert both.events.offsets.tolist() == log.events.offsets.tolist()
    assert both.rows.tolist() == log.rows.tolist()
    twice = newer(["u1", "u1"], ["i1", "i1"], [9000, 9000])  # two of the same are two
    assert len(Recommender.load(run, history=twice).log.interactions) == len(log) + 2


def test_newer_events_collapse_as_those_of_the_run_did(tmp_path):
    run = write(tmp_path / "run", read={"repeats": "collapse"})
    served = Recommender.load(
        run, history=newer(["u1"] * 3, ["i1", "i2", "i1"], [9000, 9001, 9002])
    )
    events = served.log.interactions
    mine = events.items.take(events.events[events.users.rows(["u1"])[0]]).to_pylist()
    assert mine[-2:] == ["i2", "i1"]
    assert len({*mine}) == len(mine)


def test_one_newer_id_that_is_no_number_does_not_cost_the_others(tmp_path):
    log = shop()
    numbers = pa.array([int(id[1:]) for id in log.interactions.items.ids.to_pylist()])
    items = Vocabulary(numbers, "item")
    events = replace(log.interactions, items=items)
    run = write(tmp_path / "run", log=Log(events, Catalogue(items, log.items.table, "name")))
    late = newer(["u1", "u1", "u1"], ["2", "02", "x"], [9000, 9001, 9002])
    served = Recommender.load(run, history=late)
    now = served.log.interactions
    assert len(now) == len(events) + 1
    assert now.items.id(now.events[now.users.rows(["u1"])[0]][-1]) == 2
    assert "2 of 3 newer events" in served.recommend("u1").note


def test_newer_events_come_in_the_order_of_their_times(tmp_path):
    run = write(tmp_path / "run")
    late = newer(["u1", "u1", "u1"], ["i1", "i2", "i3"], [9002, 1, 9001])
    events = Recommender.load(run, history=late).log.interactions
    row = events.users.rows(["u1"])[0]
    mine = events.items.take(events.events[row]).to_pylist()
    assert mine[0] == "i2"
    assert mine[-2:] == ["i3", "i1"]


def test_newer_events_without_times_are_refused(tmp_path):
    run = write(tmp_path / "run")
    table = pa.table({"user_id": ["u1"], "item_id": ["i1"]})
    with pytest.raises(DataError, match="the newer events have no time"):
        Recommender.load(run, history=table)


def test_reload_answers_from_the_new_run_and_keeps_the_old_one_where_it_is_broken(tmp_path):
    run = write(tmp_path / "run", "popularity")
    served = Recommender.load(run)
    before = served.recommend("u1", 5)
    write(run, "item2vec")
    assert served.recommend("u1", 5) == before
    served.reload()
    after = served.recommend("u1", 5)
    assert after == Recommender.load(run).recommend("u1", 5) != before
    (run / "manifest.json").write_text("{}")
    with pytest.raises(RunError):
        served.reload()
    assert served.recommend("u1", 5) == after


def test_a_run_that_is_written_anew_before_its_files_are_looked_at_is_read_again(
    tmp_path, monkeypatch
):
    run, look, times = write(tmp_path / "run", "popularity"), Run._sized, []

    def late(self, name):
        times.append(name)
        if len(times) == 1:  # its manifest is read: another process writes the run
            write(run, "item2vec")
        return look(self, name)

    monkeypatch.setattr(Run, "_sized", late)
    assert Recommender.load(run).similar("i1")


def test_a_link_that_moves_is_followed_at_reload(tmp_path):
    one, two = write(tmp_path / "one", "popularity"), write(tmp_path / "two", "item2vec")
    link = tmp_path / "current"
    link.symlink_to(one)
    served = Recommender.load(link)
    link.unlink()
    link.symlink_to(two)
    served.reload()
    assert served.recommend("u1", 5) == Recommender.load(two).recommend("u1", 5)


def test_threads_get_the_answers_of_one_run_or_the_other_while_it_is_reloaded(tmp_path):
    runs = [write(tmp_path / "a", "popularity"), write(tmp_path / "b", "item2vec")]
    wants = [Recommender.load(run).recommend("u1", 5, because=2) for run in runs]
    link = tmp_path / "current"
    link.symlink_to(runs[0])
    served, done, wrong = Recommender.load(link), threading.Event(), []

    def ask():
        while not done.is_set():
            answer = served.recommend("u1", 5, because=2)
            if answer not in wants:
                wrong.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        (tmp_path / "next").symlink_to(runs[turn % 2])
        (tmp_path / "next").rename(link)
        served.reload()
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_index_below_the_floor_is_refused(tmp_path):
    facts = {"index": {"kind": "annoy", "meta": {}, "effort": 1, "audit": {"recall": 0.9}}}
    run = write(tmp_path / "run", "item2vec", **facts)
    with pytest.raises(RunError, match=r"finds 0\.900 of the exact lists, less than the 0\.95"):
        Recommender.load(run, min_recall=0.95)
    assert len(Recommender.load(run, index="exact", min_recall=0.95).recommend("u1", 3)) == 3


def test_an_empty_newer_log_changes_nothing(tmp_path):
    run, empty = write(tmp_path / "run"), tmp_path / "today.csv"
    empty.write_text("user_id,item_id,timestamp\n")
    for source in (empty, newer([], [], [])):
        with_none = Recommender.load(run, history=source)
        assert with_none.recommend("u1", 4) == Recommender.load(run).recommend("u1", 4)
