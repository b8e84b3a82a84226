"""A run with an encoder of texts: items that nobody touched are placed and found by their words."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recembed
from recembed.errors import DataError, RunError
from recembed.models.stored import ranker_of, texts_in
from recembed.pipeline.attach import Attached
from recembed.pipeline.update import Updated
from recembed.recommender import Recommender
from recembed.run.folder import Run, writing
from recembed.settings import as_dict
from recembed.text.texts import Texts
from recembed.text.tfidf import TfIdf, Words

COLOURS = ("crimson", "azure", "emerald", "ivory")
NEW, ALL = 8, 1000
VECTORS = ("item2vec", "als", "two-tower")
SMALL = {
    "item2vec": {"dim": 8, "negatives": 3, "epochs": 15, "learning_rate": 0.05},
    "two-tower": {"dim": 8, "epochs": 12, "batch_size": 64, "learning_rate": 0.02},
    "als": {"dim": 8, "iterations": 5},
    "popularity": {},
}


def things(names, kinds):
    """What is known of items; ids are names."""
    titles = [f"{COLOURS[kind]} thing" for kind in kinds]
    shelves = [["shelf", f"{COLOURS[kind]} shelf"] for kind in kinds]
    return pa.table({"item_id": list(names), "title": titles, "shelves": shelves})


@pytest.fixture(scope="module")
def table(shop):
    """All items with events, and two of each colour that nobody touched."""
    touched = sorted({event[1] for event in shop.events})
    names = [*touched, *(f"new {at}" for at in range(NEW))]
    kinds = [int(item) // 15 for item in touched] + [at % 4 for at in range(NEW)]
    return things(names, kinds)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A run of an encoder that knows the words of the shop."""
    folder, setting = tmp_path_factory.mktemp("texts") / "encoder", TfIdf(terms=Words(), dim=0)
    texts = [f"{colour} thing shelf" for colour in COLOURS] + ["shelf", "thing"]
    made = setting.fit(Texts(held=texts))
    with writing(folder, new=True) as writer:
        writer.arrays("model", made.arrays())
        writer.facts({"kind": "encoder", "model": setting.name, "setting": as_dict(setting)})
    return folder


@pytest.fixture(scope="module")
def plain(shop, table, call, tmp_path_factory):
    """Model -> a run without an encoder; never change one."""
    folder, runs = tmp_path_factory.mktemp("plain"), {}
    pq.write_table(table, folder / "things.parquet")

    def run(model):
        if model not in runs:
            pairs = [f"{name}={value}" for name, value in SMALL[model].items()]
            given = [part for pair in pairs for part in ("--set", pair)]
            command = ("train", shop.log, "--items", folder / "things.parquet", "--model", model)
            out = folder / model
            call(*command, *given, "--test", "last:1", "--out", out, "--threads", 1, "--quiet")
            runs[model] = out
        return runs[model]

    return run


@pytest.fixture(scope="module")
def attached(plain, encoder, tmp_path_factory):
    """Model -> a run with the encoder; never change one."""
    runs = {}

    def run(model):
        if model not in runs:
            runs[model] = tmp_path_factory.mktemp("attached") / model
            shutil.copytree(plain(model), runs[model])
            recembed.attach(runs[model], encoder, quiet=True)
        return runs[model]

    return run


@pytest.fixture
def copied(attached, tmp_path):
    """Model -> a copy of such a run, to change."""
    return lambda model: shutil.copytree(attached(model), tmp_path / f"copy of {model}")


def listed(run, user, **wish):
    return [one.item for one in Recommender.load(run).recommend(user, ALL, **wish)]


def colour(item):
    return int(item.removeprefix("new ")) % 4 if item.startswith("new") else int(item) // 15


@pytest.mark.parametrize("model", VECTORS)
def test_items_that_nobody_touched_are_placed_among_those_they_read_like(attached, model):
    recommender = Recommender.load(attached(model))
    for at in range(NEW):
        near = [one.item for one in recommender.similar(f"new {at}", 8)]
        assert np.mean([colour(item) == at % 4 for item in near]) > 0.6  # by chance .25
    hits, new = [], [f"new {at}" for at in range(NEW)]
    for user in range(40):
        assert {*new} <= {one.item for one in recommender.recommend(f"u{user:03}", ALL)}
        first = recommender.recommend(f"u{user:03}", 2, allow=new)
        assert first.reason == "model"
        hits += [colour(one.item) == user % 4 for one in first]
    assert np.mean(hits) > 0.6


@pytest.mark.parametrize("model", VECTORS)
def test_users_and_what_was_trained_stay_where_they_are(attached, plain, model):
    before, after = (Recommender.load(run(model)) for run in (plain, attached))
    events = before.log.interactions
    assert np.array_equal(before.model.users(events), after.model.users(events))
    known = before.model.items.known
    assert np.count_nonzero(after.model.items.known & ~known) == NEW
    for name in ("items", "neighbours"):
        old, new = (getattr(each.model, name).vectors for each in (before, after))
        assert np.array_equal(old[known], new[known])
    for user in ("u000", "u041"):
        old = [(one.item, one.score) for one in before.recommend(user, ALL)]
        new = [(one.item, one.score) for one in after.recommend(user, ALL)]
        assert [pair for pair in new if not pair[0].startswith("new")] == old


@pytest.mark.parametrize("model", VECTORS)
def test_somebody_who_took_only_what_is_placed_by_text_gets_what_is_near_it(attached, model):
    recommender = Recommender.load(attached(model))
    near = next(one.item for one in recommender.similar("new 1", ALL) if one.item[0] != "n")
    own, other = (
        recommender.recommend_for([item], ALL, exclude_seen=False) for item in ("new 1", near)
    )
    assert own.reason == "model"
    assert own == other
    hits = []
    for at in range(NEW):
        made = recommender.recommend_for([f"new {at}"], 5, exclude_seen=False)
        hits += [colour(one.item) == at % 4 for one in made]
    assert np.mean(hits) > 0.5  # by chance .25
    both = recommender.recommend_for(["new 1", "003"], 5, exclude_seen=False)
    assert both == recommender.recommend_for(["003"], 5, exclude_seen=False)  # as ever
    (because,) = recommender.recommend_for(["new 1"], 1, because=3)[0].because
    assert (because.item, because.share) == ("new 1", 1)


def test_attaching_again_changes_nothing_and_training_again_takes_it_away(
    copied, encoder, contents, shop, call, plain
):
    run = copied("als")
    before = contents(run)
    done = recembed.attach(run, encoder, text="title,shelves", quiet=True)
    assert done.placed == NEW
    assert contents(run) == before
    things_file = plain("als").parent / "things.parquet"
    call(
        "train", shop.log, "--items", things_file, "--model", "popularity", "--out", run, "--quiet"
    )
    assert texts_in(Run.open(run)) is None
    with pytest.raises(DataError, match="recembed attach"):
        Recommender.load(run).search("crimson")


@pytest.mark.parametrize("model", [*VECTORS, "popularity"])
def test_a_text_finds_the_items_that_read_like_it(attached, model):
    recommender = Recommender.load(attached(model))
    made = recommender.search("Azure things?", 10)
    assert made.reason == "text"
    assert {colour(one.item) for one in made} == {1}
    assert made[0].title == "azure thing"
    scores = [one.score for one in made]
    assert scores == sorted(scores, reverse=True)
    assert max(scores) <= 1 + 1e-6
    everything = recommender.search("azure", ALL)
    assert {"new 1", "new 5"} < {one.item for one in everything}
    assert {colour(one.item) for one in everything} == {1}  # the others have a score of 0


def test_a_search_follows_the_wishes(copied):
    run = copied("item2vec")
    recembed.update(run, remove=["new 1"])
    recommender = Recommender.load(run)
    everything = {one.item for one in recommender.search("azure", ALL)}
    assert "new 1" not in everything
    assert "new 5" in everything
    only = recommender.search("azure", 5, allow=["new 5", "003"], exclude=["003"])
    assert [one.item for one in only] == ["new 5"]
    assert only.note == "1 items instead of 5: no more are eligible"
    where = recommender.search("azure thing", 3, where={"title": "ivory thing"})
    assert {colour(one.item) for one in where} == {3}
    capped = recommender.search("azure thing", 4, cap={"title": 1})
    assert sorted(colour(one.item) for one in capped) == [0, 1, 2, 3]
    for wish in ({"because": 1}, {"exclude_seen": True}):
        with pytest.raises(DataError, match="a text has no history"):
            recommender.search("azure", **wish)


@pytest.mark.parametrize("text", ["", "   ", "gnu", "🦄", "\ud800"])
def test_a_text_that_the_encoder_knows_nothing_of_finds_nothing(attached, text):
    made = Recommender.load(attached("als")).search(text)
    assert len(made) == 0
    assert "knows nothing of this text" in made.note


def test_the_commands_say_what_was_done_and_answer_by_text(plain, encoder, call, tmp_path):
    run = shutil.copytree(plain("als"), tmp_path / "run")
    done = call("attach", run, "--encoder", encoder, "--text", "title, shelves", "--quiet").answers
    (told,) = done
    assert told["columns"] == ["title", "shelves"]
    assert (told["placed"], told["empty"], told["unknown"], told["cut"]) == (NEW, 0, 0, 0)
    assert set(told["ridges"]) == set(told["explained"]) == {"items"}
    assert 0.2 < told["explained"]["items"] < 1  # items of a colour were bought together
    assert told["note"] is None
    assert Run.open(run).facts["text"]["explained"] == told["explained"]
    (answer,) = call("recommend", run, "--text", "ivory", "-k", 3).answers
    assert answer["reason"] == "text"
    assert {item["title"] for item in answer["items"]} == {"ivory thing"}


@pytest.mark.parametrize("model", VECTORS)
def test_later_items_are_placed_by_their_text(copied, model):
    run = copied(model)
    before = listed(run, "u002")
    later = things(["late 2", "late 3", "odd"], [2, 3, 0])
    nothing = pa.array(["crimson thing", "ivory thing", None]), pa.array([["azure"], None, []])
    later = later.set_column(1, "title", nothing[0]).set_column(2, "shelves", nothing[1])
    assert recembed.update(run, items=later) == Updated(3, 2, unplaced=("odd",))
    after = listed(run, "u002")
    assert [item for item in after if not item.startswith(("late", "odd"))] == before
    assert {"late 2", "late 3"} <= {*after}
    assert "odd" not in after
    recommender = Recommender.load(run)
    near = [one.item for one in recommender.similar("late 3", 5)]
    assert [colour(item) for item in near if not item.startswith("late")] == [3] * len(near)
    assert "late 3" in [one.item for one in recommender.search("ivory", ALL)]
    recembed.update(run, items=things(["later"], [1]))
    again = Recommender.load(run)
    assert [colour(one.item) for one in again.similar("later", 3)] == [1] * 3
    assert listed(run, "u002", exclude=["later"]) == after


def test_forgetting_users_keeps_the_places(copied):
    run = copied("als")
    before = Recommender.load(run)
    recembed.forget(run, user="u100")
    after = Recommender.load(run)
    for name in ("items", "neighbours"):
        old, new = (getattr(each.model, name).vectors for each in (before, after))
        assert np.array_equal(old, new)
    assert after.search("azure", 5) == before.search("azure", 5)


def test_an_index_and_reports_go_and_an_index_built_again_has_all(copied, encoder, call):
    run = copied("als")
    recembed.evaluate(run, quiet=True)
    call("index", run, "--kind", "annoy", "--quiet")
    done = recembed.attach(run, encoder, quiet=True)
    assert done.dropped == ("index", "reports")
    assert "build the index again: recembed index" in done.note
    assert recembed.attach(run, encoder, quiet=True).dropped == ()
    there = Run.open(run)
    assert not there.has("report.json")
    assert not there.has("index")
    exact = Recommender.load(run).recommend("u001", 20)
    call("index", run, "--kind", "annoy", "--target-recall", 1.0, "--quiet")
    ranker, model = ranker_of(Run.open(run), index="annoy")
    assert model.items.known.sum() == len(exact.items) or ranker.known.sum() > 60
    recembed.update(run, items=things(["late"], [1]))
    assert "late" in listed(run, "u001")


def test_texts_that_tell_nothing_of_the_vectors_are_told_of(plain, encoder, table, tmp_path):
    mixed = things(table["item_id"].to_pylist(), np.arange(len(table)) % 4)
    run = shutil.copytree(plain("als"), tmp_path / "run")
    about = table.drop_columns(["title", "shelves"]).append_column("title", mixed["title"])
    with writing(run, new=False) as writer:
        items = Run.open(run).table("items")
        order = {item: title for item, title in zip(*about.to_pydict().values(), strict=True)}
        titles = pa.array([order[item] for item in items.column(0).to_pylist()])
        writer.table("items", items.set_column(1, "title", titles))
    done = recembed.attach(run, encoder, text="title", quiet=True)
    assert done.explained["items"] < 0.005
    assert "texts tell little of these vectors" in done.note


def test_a_model_without_vectors_gets_a_search_alone(plain, encoder, tmp_path):
    run = shutil.copytree(plain("popularity"), tmp_path / "run")
    done = recembed.attach(run, encoder, quiet=True)
    assert (done.placed, done.ridges) == (0, {})
    assert done.items == len(Recommender.load(run).log.interactions.items)
    assert done.note == "popularity has no vectors: the encoder serves search by text alone"
    with pytest.raises(DataError, match="popularity has no vectors to place an item by"):
        recembed.update(run, items=things(["late"], [1]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"text": "title,nothing"}, "no column 'nothing'; it has: title, shelves"),
        ({"text": ["weight"]}, "no column 'weight'"),
        ({"encoder": "nowhere"}, "is not a run"),
    ],
)
def test_what_cannot_be_attached_is_told_and_changes_nothing(
    plain, encoder, contents, options, says
):
    run = plain("als")
    before = contents(run)
    with pytest.raises((DataError, RunError), match=says):
        recembed.attach(run, **{"encoder": encoder, "quiet": True, **options})
    after = contents(run)
    assert {**after, ".lock": b""} == {**before, ".lock": b""}


def test_a_run_of_items_is_no_encoder_and_a_run_of_texts_has_no_items(plain, encoder):
    with pytest.raises(RunError, match="text train"):
        recembed.attach(plain("als"), plain("popularity"))
    with pytest.raises(RunError, match="not of items"):
        recembed.attach(encoder, encoder)


def test_an_encoder_that_knows_nothing_of_the_items_is_refused(plain, tmp_path):
    setting = TfIdf(terms=Words(), dim=0)
    made = setting.fit(Texts(held=["gnu elk", "elk"]))
    with writing(tmp_path / "encoder", new=True) as writer:
        writer.arrays("model", made.arrays())
        writer.facts({"kind": "encoder", "model": setting.name, "setting": as_dict(setting)})
    with pytest.raises(DataError, match="knows something of 0 of 60 trained items"):
        recembed.attach(plain("als"), tmp_path / "encoder")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--seen", "exclude"), r"a text has no history: leave seen \(--seen\)"),
        (("--because", 2), r"leave seen \(--seen\) and because \(--because\) out"),
        (("--user", "u001"), "user and text exclude each other"),
        (("--history", "001"), "history and text exclude each other"),
        (("--all-users", "--out", "x.parquet"), "text and all users exclude each other"),
    ],
)
def test_what_a_text_excludes_is_told_by_its_options(attached, refused, options, says):
    assert re.search(says, refused("recommend", attached("als"), "--text", "azure", *options))


def test_two_texts_are_refused(attached, misused):
    said = misused("recommend", attached("als"), "--text", "azure", "--text", "ivory")
    assert "one text is taken, not 2: they exclude each other" in " ".join(said.split())


def test_runs_of_which_one_was_updated_say_what_to_do(copied, plain):
    run = copied("als")
    recembed.update(run, items=things(["late 1", "late 2"], [1, 2]))
    says = "copy of als has 2 items that .*popularity lacks: update or train both"
    with pytest.raises(RunError, match=says):
        recembed.evaluate([run, plain("popularity")], out=run.parent / "report", quiet=True)


def test_a_run_without_an_item_table_says_so(shop, encoder, call, tmp_path):
    call("train", shop.log, "--model", "popularity", "--out", tmp_path / "run", "--quiet")
    with pytest.raises(DataError, match="has no item table: train with one"):
        recembed.attach(tmp_path / "run", encoder)


def test_neither_torch_nor_what_trains_is_loaded_to_ask(attached):
    script = """
import sys, recembed
found = recembed.recommend(sys.argv[1], text="azure", k=3)
assert len(found[0]) == 3
assert not {"torch", "numba", "implicit", "annoy"} & {*sys.modules}
"""
    subprocess.run([sys.executable, "-c", script, attached("two-tower")], check=True)


def test_what_is_told_is_json(attached, encoder, plain, tmp_path):
    run = shutil.copytree(plain("als"), tmp_path / "run")
    done = recembed.attach(run, encoder, quiet=True)
    assert isinstance(done, Attached)
    assert json.loads(json.dumps(Run.open(run).facts["text"]))["columns"] == ["title", "shelves"]
