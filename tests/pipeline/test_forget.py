"""Users deleted from a run: nothing of it names them, and the others are answered as before."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

import recembed
from recembed.data.catalogue import Catalogue
from recembed.errors import DataError, RunError
from recembed.pipeline.forget import forget
from recembed.run.folder import Run
from recembed.run.log import load_log
from recembed.run.writer import writing

TEXT, NUMBER = "ana.krüger+7f3e@mail.example", 7_305_551_212_119_001
ZSTD = b"\x28\xb5\x2f\xfd"  # begins every compressed page
TOWERS = {"dim": 8, "epochs": 2, "batch_size": 64, "users.ids": True}


def trained(shop, folder, who, model, **settings):
    """A run in which one user is called `who`, with an index, a report that names users, and a
    user table that tells the id again in several types of columns.
    """
    rows = {f"u{i:03}": i for i in range(120)}
    name = (lambda user: f"other{user}") if isinstance(who, str) else (lambda user: 10**15 + user)
    ids = [name(i) for i in range(120)]
    ids[17] = who
    events = [(ids[rows[user]], item, time) for user, item, time, _ in shop.events]
    frame = pa.table(dict(zip(("user", "item", "time"), zip(*events, strict=True), strict=True)))
    pq.write_table(frame, folder / "log.parquet")
    texts = [f"about {each}" for each in ids]
    table = {
        "user_id": ids,
        "note": texts,
        "colour": pa.array(["red", "blue"] * 60),
        "code": pa.array(texts).dictionary_encode(),
        "tags": pa.array([[each, "x"] for each in texts]),
    }
    pq.write_table(pa.table(table), folder / "users.parquet")
    run = folder / "run"
    how = {"users": folder / "users.parquet", "test": "last:1", "quiet": True}
    recembed.train(folder / "log.parquet", run, model=model, set=settings, **how)
    recembed.index(run, kind="annoy", quiet=True)
    recembed.evaluate(run, examples=100, show_users=True, quiet=True)
    return run, ids


@pytest.fixture(scope="module")
def towers(shop, tmp_path_factory):
    """Who -> their run of two towers, where a user has a vector; and all ids. Never change one."""
    runs = {}

    def of(who):
        if who not in runs:
            folder = tmp_path_factory.mktemp("towers")
            runs[who] = trained(shop, folder, who, "two-tower", **TOWERS)
        return runs[who]

    return of


@pytest.fixture
def copy(towers, tmp_path):
    """The same, to be changed."""

    def of(who):
        run, ids = towers(who)
        return Path(shutil.copytree(run, tmp_path / "run")), ids

    return of


def page(content):
    """What the compressed page is that stands first; nothing where it is none."""
    found = []
    with suppress(OSError):  # what comes after the page is none, and is told only when it is read
        stream = pa.input_stream(pa.BufferReader(content), compression="zstd")
        while byte := stream.read(1):
            found.append(byte)
    return b"".join(found)


def decoded(path):
    """What a file says through its own reader, and page by page."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield repr((table.to_pylist(), table.schema.metadata, pq.read_metadata(path))).encode()
        at = content.find(ZSTD)
        while at >= 0:
            yield page(content[at:])
            at = content.find(ZSTD, at + 1)
    if path.suffix == ".safetensors":
        for array in load_file(path).values():
            yield array.tobytes()


def telling(folder, who):
    """Files below a folder that name somebody."""
    numbers = () if isinstance(who, str) else (np.int64(who).tobytes(),)
    names = (str(who).encode(), json.dumps(str(who)).strip('"').encode(), *numbers)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.name.split(".")[0]
        for path in files
        if any(name in content for content in decoded(path) for name in names)
    }


@pytest.mark.parametrize("who", [TEXT, NUMBER])
def test_no_byte_of_the_run_names_a_user_who_was_forgotten(copy, who):
    run, _ = copy(who)
    assert telling(run, who) == {"model", "users", "report"}
    told = forget(run, user=[who])
    assert telling(run, who) == set()
    assert told.users == 1
    assert told.dropped == ("places", "report.html", "report.json", "report.md")
    assert told.foreign == ()
    Run.open(run)
    assert recembed.recommend(run, user=[who])[0].reason.startswith(f"user {who!r} is unknown")


def test_other_users_are_answered_as_before(copy):
    run, ids = copy(TEXT)
    others = [each for each in ids if each != TEXT]
    before = [each.to_dict() for each in recembed.recommend(run, user=others)]
    forget(run, user=[TEXT])
    assert [each.to_dict() for each in recembed.recommend(run, user=others)] == before


def test_the_log_of_the_run_is_the_one_without_them(copy):
    run, ids = copy(TEXT)
    old, _ = load_log(Run.open(run))
    told = forget(run, user=[TEXT, ids[3]])
    opened = Run.open(run)
    log, part = load_log(opened)
    events, before = log.interactions, old.interactions
    assert events.users.ids.to_pylist() == [each for each in ids if each not in (TEXT, ids[3])]
    assert events.items == before.items
    kept = [row for row in range(120) if row not in (3, 17)]
    assert [list(events.events[i]) for i in range(118)] == [list(before.events[i]) for i in kept]
    assert events.time.tolist() == [
        time for i in kept for time in before.time[before.events.positions(np.array([i]))]
    ]
    assert (
        told.events == len(before) - len(events) == len(before.events[3]) + len(before.events[17])
    )
    assert isinstance(log.users, Catalogue)
    assert log.users.table.column("note").to_pylist() == [f"about {ids[i]}" for i in kept]
    assert log.users.table.schema == old.users.table.schema
    assert opened.facts["data"] == events.fingerprint()
    counts = opened.facts["split"]["counts"]
    assert (counts["test_users"], counts["test_events"]) == (118, 118)
    assert counts["train_events"] == np.count_nonzero(part == 0) == len(events) - 118


def test_a_run_goes_on_working_afterwards(shop, tmp_path):
    run, _ = trained(shop, tmp_path, TEXT, "item2vec", dim=8, negatives=3, epochs=2)
    forget(run, user=TEXT)
    recembed.index(run, kind="annoy", quiet=True)
    report = recembed.evaluate(run, quiet=True)
    assert report.setting["split"]["test_users"] == 119
    with pytest.raises(DataError, match="1 of 1 users are unknown"):
        forget(run, user=[TEXT])


def test_items_that_were_removed_stay_so(copied):
    run = copied("als")
    (best, *_) = recembed.recommend(run, user=["u002"])[0].items
    recembed.update(run, remove=[best.item])
    before = recembed.recommend(run, user=["u002"])[0].to_dict()
    assert forget(run, user=["u001"]).dropped == ()
    assert recembed.recommend(run, user=["u002"])[0].to_dict() == before
    assert best.item not in [each["item"] for each in before["items"]]


def test_an_unknown_user_changes_nothing(made, copied, contents, refused):
    run = copied("als")
    before = contents(run)
    assert "1 of 2 users are unknown, first: 'nobody'" in refused(
        "forget", run, "--user", "u001", "--user", "nobody"
    )
    assert contents(run) == before


def test_nobody_left_is_refused(copied, contents):
    run = copied("als")
    before = contents(run)
    everybody = load_log(Run.open(run))[0].interactions.users.ids.to_pylist()
    with pytest.raises(DataError, match="delete the folder"):
        forget(run, user=everybody)
    with pytest.raises(DataError, match="name at least one user"):
        forget(run, user=[])
    assert contents(run) == before


def test_the_command_says_what_went_and_what_it_did_not_look_into(copied, call):
    run = copied("popularity")
    call("evaluate", run, "--quiet", "--no-html")
    (run / "lists").mkdir()
    (run / "lists" / "mine.csv").write_text("u001,12\n")
    with writing(run, new=False) as writer:
        writer.text("notes", "u001 called", "txt")
    (said,) = call("forget", run, "--user", "u001", "--user", "u002").answers
    events = said.pop("events")
    assert said == {
        "users": 2,
        "dropped": ["notes", "places", "report.json", "report.md"],
        "foreign": ["lists/mine.csv"],
    }
    assert events > 2
    assert (run / "lists" / "mine.csv").exists()


def test_old_files_that_cannot_be_removed_are_named(copied, monkeypatch):
    run = copied("popularity")
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    with pytest.raises(RunError, match=r"could not be removed: delete events\..*, users\."):
        forget(run, user=["u001"])
    monkeypatch.undo()
    assert Run.open(run).facts["split"]["counts"]["test_users"] == 119
