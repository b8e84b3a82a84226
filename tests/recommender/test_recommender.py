import json
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import TEST, TRAIN
from recembed.errors import DataError, RunError
from recembed.models.item_knn import ItemKNN
from recembed.models.registry import estimator
from recembed.models.stored import ranker_of
from recembed.protocols import Machine
from recembed.recommender import Recommendation, Recommender, State
from recembed.run.folder import Run, writing
from recembed.run.log import load_log, store_log
from recembed.search.kinds import build as build_index
from recembed.settings import as_dict

ONE = Machine(threads=1)
CLUSTERS, SIZE = 3, 10  # item c * 100 + i is item i of cluster c
SETTINGS = {
    "popularity": {},
    "repeat": {},
    "item-knn": {"neighbours": 20},
    "als": {"dim": CLUSTERS},
    "item2vec": {"dim": 16, "epochs": 10},
}
LATE, SHELF = 901, 902  # an item of the test part alone, and one that is in the catalogue alone


def planted():
    """90 users, each with 6 of the 10 items of one cluster; the last of them are held out."""
    random = np.random.default_rng(5)
    users, items, part = [], [], []
    for user in range(90):
        picks = random.permutation(SIZE)[:6] + 100 * (user % CLUSTERS)
        users += [f"u{user}"] * 6
        items += picks.tolist()
        part += [TRAIN] * 5 + [TEST]
    users += ["u0", "u1", "late"]
    items += [LATE] * 3
    part += [TEST] * 3
    order = np.argsort([int(user[1:]) if user != "late" else 99 for user in users], kind="stable")
    events = build(pa.array(users), pa.array(items), order="position")
    events = events.with_items(events.items.extend([SHELF]))
    titles = pa.table({"name": [f"item {id}" for id in events.items.ids.to_pylist()]})
    log = Log(events, Catalogue(events.items, titles, "name"))
    return log, np.array(part, np.uint8)[order]


def write(folder, name, log, part, **facts):
    """A run as training makes it."""
    model = estimator(name, SETTINGS[name])
    fitted = model.fit(log.keep(part == TRAIN), seed=1, machine=ONE)
    with writing(folder, new=True) as writer:
        store_log(writer, log, part)
        writer.arrays("model", fitted.arrays())
        writer.facts({"model": name, "setting": as_dict(model), "repeats": False, **facts})
    return folder


def add_annoy(folder):
    """An index as indexing makes it; effort is high enough to find everything."""
    run = Run.open(folder)
    _, model = ranker_of(run)
    with writing(folder, new=False) as writer, writer.file("index", "ann") as path:
        meta = build_index("annoy", model.items, path, metric="angular", size=20)
        writer.facts({"index": {"kind": "annoy", "meta": meta, "effort": 1000, "audit": {}}})
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of every small model, made when it is asked for."""
    root, made = tmp_path_factory.mktemp("runs"), {}

    def run(name):
        if name not in made:
            made[name] = write(root / name, name, *planted())
        return made[name]

    return run


@pytest.fixture(scope="module")
def loaded(runs):
    made = {}
    return lambda name: made.setdefault(name, Recommender.load(runs(name), machine=ONE))


def ids(recommendations):
    return [one.item for one in recommendations]


def by_hand(folder, **facts):
    """a: 3 events, b: 2, c: 1 in training; d twice in the test part alone."""
    users = pa.array(["x", "y", "z", "x", "y", "x", "x", "y"])
    items = pa.array(["a", "a", "a", "b", "b", "c", "d", "d"])
    log = Log(build(users, items, order="position"))
    part = np.array([0, 0, 0, 2, 0, 0, 2, 0], np.uint8)  # x: a b c d, y: a b d, z: a
    return write(folder, "popularity", log, part, **facts)


def test_popularity_answers_as_worked_out_by_hand(tmp_path):
    recommender = Recommender.load(by_hand(tmp_path / "run"))
    answer = recommender.recommend("z", 3)
    assert list(answer) == [Recommendation("b", 2.0, None), Recommendation("c", 1.0, None)]
    assert answer.reason == "model"
    assert answer.note == "2 items instead of 3: no more are eligible"
    assert ids(recommender.recommend("z", 3, exclude_seen=False)) == ["a", "b", "c"]
    assert ids(recommender.recommend("y", 3)) == ["c"]  # d of the test part is a seen item too
    assert len(answer) == 2
    assert answer[0].item == "b"


def test_whether_seen_items_come_back_is_a_fact_of_the_run(tmp_path):
    run = by_hand(tmp_path / "run", repeats=True)
    assert ids(Recommender.load(run).recommend("z", 1)) == ["a"]
    assert ids(Recommender.load(run).recommend("z", 1, exclude_seen=True)) == ["b"]


def test_somebody_unknown_gets_popular_items_and_is_told_so(tmp_path, loaded):
    answer = Recommender.load(by_hand(tmp_path / "run")).recommend("x9", 2)
    assert ids(answer) == ["a", "b"]
    assert answer.reason == "user 'x9' is unknown: popular items"
    log, part = planted()
    counts = log.keep(part == TRAIN).interactions.counts()
    best = log.interactions.items.id(int(counts.argmax()))
    assert ids(loaded("item2vec").recommend("x9", 1)) == [best]
    assert loaded("item2vec").recommend(0, 1).reason == "user 0 is unknown: popular items"


@pytest.mark.parametrize("name", ["als", "item2vec", "item-knn"])
def test_users_get_the_items_of_their_cluster_that_they_lack(loaded, name):
    log, _ = planted()
    for user in ("u5", "u6", "u7"):
        row = log.interactions.users.rows([user])[0]
        seen = set(log.interactions.items.take(log.interactions.events[row]).to_pylist())
        answer = loaded(name).recommend(user, 4)
        assert answer.reason == "model"
        assert answer.note is None
        assert len(seen) == 6
        assert set(ids(answer)) == {100 * (row % CLUSTERS) + i for i in range(SIZE)} - seen
        assert [one.title for one in answer] == [f"item {id}" for id in ids(answer)]
        scores = [one.score for one in answer]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_user_of_the_log_and_their_history_get_the_same(loaded, name):
    log, _ = planted()
    for row in (3, 7, 80):
        history = log.interactions.items.take(log.interactions.events[row]).to_pylist()
        user = log.interactions.users.id(row)
        assert loaded(name).recommend_for(history, 5) == loaded(name).recommend(user, 5)


@pytest.mark.parametrize("name", SETTINGS)
def test_serving_answers_as_the_ranker_that_is_evaluated(runs, loaded, name):
    log, _ = load_log(Run.open(runs(name)))
    ranker, _ = ranker_of(Run.open(runs(name)), machine=ONE)
    top = ranker.top_k(log.interactions, 7, exclude=log.interactions.events)
    for row in (0, 1, 44, 90):
        answer = loaded(name).recommend(log.interactions.users.id(row), 7)
        want = top.rows[row][top.rows[row] >= 0]
        assert ids(answer) == log.interactions.items.take(want).to_pylist()


@pytest.mark.parametrize("name", SETTINGS)
def test_items_that_were_never_trained_never_come(loaded, name):
    everything = loaded(name).recommend("nobody", 1000)
    assert len(everything) == CLUSTERS * SIZE
    assert not {LATE, SHELF} & set(ids(everything))
    assert everything.note == "30 items instead of 1000: no more are eligible"


@pytest.mark.parametrize("name", ["als", "item2vec", "item-knn"])
def test_a_history_that_the_model_does_not_know_gets_popular_items(loaded, name):
    for answer in (loaded(name).recommend_for([LATE, SHELF]), loaded(name).recommend("late")):
        assert answer.reason == "the history has no item that the model knows: popular items"
        assert ids(answer) == ids(loaded("popularity").recommend("nobody"))


item_lists = st.lists(
    st.sampled_from([100 * c + i for c in range(CLUSTERS) for i in range(SIZE)]), max_size=12
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(item_lists, item_lists, st.none() | item_lists, st.booleans(), st.integers(1, 40))
def test_filters_leave_exactly_what_is_eligible(loaded, history, exclude, allow, seen, k):
    answer = loaded("item2vec").recommend_for(
        history, k, exclude_seen=seen, allow=allow, exclude=iter(exclude)
    )
    eligible = {100 * c + i for c in range(CLUSTERS) for i in range(SIZE)} - set(exclude)
    eligible -= set(history) if seen else set()
    eligible &= eligible if allow is None else set(allow)
    assert set(ids(answer)) <= eligible
    assert len(set(ids(answer))) == len(answer) == min(k, len(eligible))


def test_filters_with_unknown_items_are_used_and_noted(loaded):
    answer = loaded("popularity").recommend("u1", 1, exclude=["105", 5], allow=[105, 777])
    assert ids(answer) in ([105], [])
    assert "1 of 2 excluded items are unknown, first: '105'" in answer.note
    assert "1 of 2 allowed items are unknown, first: 777" in answer.note


def test_unknown_items_of_a_history_are_named(loaded):
    with pytest.raises(DataError, match=r"2 of 3 items are unknown, first: 777, '5' .*are int"):
        loaded("item2vec").recommend_for([5, 777, "5"])


@pytest.mark.parametrize("text", ["abc", b"abc"])
def test_a_text_is_no_list_of_items(tmp_path, text):
    recommender = Recommender.load(by_hand(tmp_path / "run"))
    for ask in (
        lambda: recommender.recommend_for(text),
        lambda: recommender.recommend("x", exclude=text),
        lambda: recommender.recommend("x", allow=text),
    ):
        with pytest.raises(DataError, match="a list of ids is needed"):
            ask()


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(loaded, k):
    for ask in (loaded("item2vec").recommend, loaded("item2vec").recommend_for):
        with pytest.raises(DataError, match="k"):
            ask("u1" if ask.__name__ == "recommend" else [1], k)
    with pytest.raises(DataError, match="k"):
        loaded("item2vec").similar(1, k)


@pytest.mark.parametrize("name", ["als", "item2vec", "item-knn"])
def test_similar_items_are_those_of_the_cluster(loaded, name):
    for item in (3, 104, 205):
        answer = loaded(name).similar(item, SIZE - 1)
        assert set(ids(answer)) == {item // 100 * 100 + i for i in range(SIZE)} - {item}
        assert answer[0].title == f"item {answer[0].item}"


def test_similarity_is_the_cosine_of_the_neighbour_vectors(loaded):
    model, items = loaded("item2vec").model, loaded("item2vec").log.interactions.items
    vectors = model.neighbours.vectors.astype(np.float64)
    for one in loaded("item2vec").similar(104, 5):
        a, b = vectors[items.rows([104, one.item])]
        assert one.score == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)


def test_items_without_any_shared_user_are_no_neighbours_of_item_knn(loaded):
    answer = loaded("item-knn").similar(104, 25)
    assert len(answer) == SIZE - 1
    assert answer.note == "9 items instead of 25: no more are eligible"


def test_item_knn_answers_with_an_items_own_neighbours_not_with_whose_neighbour_it_is():
    users, items = pa.array([1, 1, 2, 2, 3, 3, 4]), pa.array([*"hahbhbh"])
    log = Log(build(users, items, order="position"))
    model = ItemKNN(neighbours=2).fit(log, machine=ONE)  # each item keeps itself and one more
    recommender = Recommender(State(log, model, model, repeats=True))
    assert ids(recommender.similar("a")) == ["h"]
    assert recommender.similar("a")[0].score == pytest.approx(0.5)
    assert ids(recommender.similar("h")) == ["b"]


@pytest.mark.parametrize("name", ["als", "item2vec", "item-knn"])
def test_similar_to_an_item_without_training_is_an_error_that_names_it(loaded, name):
    with pytest.raises(DataError, match="1 of 1 items are unknown, first: 777"):
        loaded(name).similar(777)
    for item in (LATE, SHELF):
        with pytest.raises(DataError, match=f"item {item} is known but was never trained"):
            loaded(name).similar(item)


@pytest.mark.parametrize("name", ["popularity", "repeat"])
def test_a_model_that_compares_no_items_says_so(loaded, name):
    with pytest.raises(DataError, match="compares no items"):
        loaded(name).similar(104)


def test_an_answer_is_json(loaded):
    answer = loaded("item2vec").recommend("u1", 2)
    value = json.loads(json.dumps(answer.to_dict()))
    assert value["reason"] == "model"
    assert [one["item"] for one in value["items"]] == ids(answer)
    assert value["items"][0].keys() == {"item", "score", "title"}


def test_a_run_with_an_index_answers_from_it_unless_told_otherwise(tmp_path):
    folder = add_annoy(write(tmp_path / "run", "item2vec", *planted()))
    exact = Recommender.load(folder, index="exact")
    for kind in (None, "annoy"):
        recommender = Recommender.load(folder, index=kind)
        assert type(recommender.ranker.ranker.index).__name__ == "ApproximateIndex"
        for user in ("u1", "u2", "nobody"):
            assert recommender.recommend(user, 8) == exact.recommend(user, 8)
    assert type(exact.ranker.ranker.index).__name__ == "ExactIndex"


def test_the_index_of_another_run_is_refused(tmp_path):
    mine = write(tmp_path / "mine", "item2vec", *planted())
    other = Run.open(add_annoy(write(tmp_path / "other", "als", *planted())))
    with writing(mine, new=False) as writer, writer.file("index", "ann") as path:
        path.write_bytes(other.path("index").read_bytes())
        writer.facts({"index": other.facts["index"]})
    with pytest.raises(RunError):
        Recommender.load(mine)
    assert len(Recommender.load(mine, index="exact").recommend("u1")) == 10


def test_an_index_that_was_cut_short_is_refused_before_annoy_reads_it(tmp_path):
    folder = add_annoy(write(tmp_path / "run", "item2vec", *planted()))
    (path,) = folder.glob("index.*")
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"{path.name} was edited"):
        Recommender.load(folder)


@pytest.mark.parametrize("name", ["item2vec", "popularity"])
def test_asking_for_an_index_that_is_not_there_is_one_clear_error(runs, name):
    with pytest.raises(
        RunError, match="has no Annoy index: build it with `recembed index --kind annoy`"
    ):
        Recommender.load(runs(name), index="annoy")
    with pytest.raises(DataError, match="no index 'faiss'; there is exact, annoy, hnsw, ivf"):
        Recommender.load(runs(name), index="faiss")


def test_popular_items_are_counted_in_the_parts_that_were_trained_on(tmp_path):
    log, part = planted()
    run = write(tmp_path / "run", "item2vec", log, part)
    for trained in (1, 3):
        with writing(run, new=False) as writer:
            writer.facts({"trained": trained})
        counts = log.keep(part < trained).interactions.counts()
        known = log.keep(part == TRAIN).interactions.counts() > 0
        want = np.sort(counts[known])[::-1][:5]
        assert [one.score for one in Recommender.load(run).recommend("?", 5)] == want.tolist()


@pytest.mark.parametrize(
    "facts",
    [
        {"model": None},
        {"setting": None},
        {"model": "als"},
        {"setting": {"dim": "many"}},
        {"setting": {"neighbours": 3}},
        {"trained": 0},
        {"trained": "all"},
        {"index": {"kind": "annoy"}},
        {"index": {"meta": {}, "effort": 1}},
        {"index": {"meta": None, "effort": None}},
    ],
)
def test_a_run_whose_facts_do_not_fit_is_one_clear_error(tmp_path, runs, facts):
    copy = tmp_path / "run"
    copy.mkdir()
    for path in runs("item2vec").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    value = json.loads((copy / "manifest.json").read_text())
    value["facts"].update(facts)
    if "index" in facts:
        value["files"]["index"] = value["files"]["events"]
    (copy / "manifest.json").write_text(json.dumps(value))
    with pytest.raises((RunError, DataError)) as caught:
        Recommender.load(copy)
    assert "\n" not in str(caught.value)


def test_a_model_of_other_items_is_refused(tmp_path):
    run = by_hand(tmp_path / "run")
    with writing(run, new=False) as writer:
        writer.arrays("model", {"counts": np.ones(2, np.float32), "known": np.ones(2, np.bool_)})
    with pytest.raises(RunError, match="trained on 2 items, its log has 4"):
        Recommender.load(run)


@pytest.mark.parametrize("name", SETTINGS)
def test_serving_loads_no_library_for_training(runs, name):
    code = """
    import sys
    from recembed.recommender import Recommender
    recommender = Recommender.load(sys.argv[1])
    assert len(recommender.recommend("u1")) == 10
    assert len(recommender.recommend("nobody")) == 10
    heavy = {"torch", "implicit", "numba", "annoy"} & set(sys.modules)
    assert not heavy, heavy
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(runs(name))], check=True, timeout=60
    )
