"""Everybody's lists in a file: the lists that each would get alone, whole or not at all."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

import recembed
from recembed.errors import DataError, RunError
from recembed.pipeline import batch
from recembed.protocols import Machine
from recembed.recommender import Recommender

MODELS = ("item2vec", "als", "two-tower", "item-knn", "popularity")
CHOOSY = {
    "where": {"colour": ["colour 0", "colour 2"]},
    "cap": {"colour": 2},
    "exclude": ["000", "031"],
    "because": 2,
}


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(batch, "BLOCK", 300)  # a dozen users of the shop


def by_user(rows):
    """User -> their rows, as they stand in the file."""
    found = {}
    for row in rows:
        found.setdefault(row.pop("user"), []).append(row)
    return found


def alone(recommender, users, k, **wish):
    """User -> what asking for this user alone says, in the form of the file's rows."""
    lists = {}
    for user in users:
        made = recommender.recommend(user, k, **wish)
        lists[user] = [
            {"rank": rank, "item": one.item, "score": one.score, "reason": made.reason}
            | (
                {"because": [{"item": why.item, "share": why.share} for why in one.because]}
                if wish.get("because")
                else {}
            )
            for rank, one in enumerate(made, 1)
        ]
    return lists


@pytest.mark.parametrize("wish", [{}, CHOOSY], ids=["plain", "choosy"])
@pytest.mark.parametrize("name", MODELS)
def test_everybody_gets_in_the_file_what_they_get_alone(
    made, shop, tmp_path, small_blocks, name, wish
):
    out = tmp_path / "recs.parquet"
    recembed.recommend(made(name), all_users=True, out=out, k=7, threads=1, quiet=True, **wish)
    found = by_user(pq.read_table(out).to_pylist())
    assert [*found] == [*shop.sizes]
    some = [*shop.sizes][:: 7 if wish else 2]
    asked = Recommender.load(made(name), machine=Machine(threads=1))
    assert {user: found[user] for user in some} == alone(asked, some, 7, **wish)
    assert {path.name for path in tmp_path.iterdir()} == {"recs.parquet"}


def test_the_command_writes_what_the_function_writes(made, call, tmp_path):
    options = ["--k", 5, "--seen", "allow", "--exclude", "007", "--diversity", 0.3, "--because", 1]
    options += ["--where", "colour=colour 1", "--where", "colour=colour 3", "--cap", "colour=3"]
    said = call("recommend", made("item2vec"), "--all-users", "--out", tmp_path / "a", *options)
    assert said.out == ""
    assert "rows -> " in said.err
    recembed.recommend(
        made("item2vec"),
        all_users=True,
        out=tmp_path / "b",
        k=5,
        seen="allow",
        exclude=["007"],
        where={"colour": ["colour 1", "colour 3"]},
        diversity=0.3,
        cap={"colour": 3},
        because=1,
        quiet=True,
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_shards_together_are_all_users_once(made, shop, tmp_path):
    parts = {}
    for at in range(1, 8):
        out = tmp_path / f"{at}.parquet"
        recembed.recommend(
            made("item-knn"), all_users=True, out=out, shard=f"{at}/7", k=3, quiet=True
        )
        part = by_user(pq.read_table(out).to_pylist())
        assert len(part) in (120 // 7, 120 // 7 + 1)
        assert not parts.keys() & part.keys()
        parts |= part
    recembed.recommend(made("item-knn"), all_users=True, out=tmp_path / "all", k=3, quiet=True)
    assert parts == by_user(pq.read_table(tmp_path / "all").to_pylist())


def test_more_shards_than_users_leave_files_without_rows(made, tmp_path):
    out = tmp_path / "none"
    recembed.recommend(
        made("popularity"), all_users=True, out=out, shard="121/500", because=1, quiet=True
    )
    table = pq.read_table(out)
    assert len(table) == 0
    assert table.column_names == ["user", "rank", "item", "score", "reason", "because"]


def test_newer_events_belong_to_the_histories_and_to_the_question(made, shop, tmp_path):
    newer = tmp_path / "newer.csv"
    newer.write_text(
        "user_id,item_id,timestamp,basket\nu000,059,1700000000,x\nnew,031,1700000000,y\n"
    )
    out = tmp_path / "recs"
    recembed.recommend(
        made("item2vec"), all_users=True, out=out, newer=newer, seen="exclude", quiet=True
    )
    found = by_user(pq.read_table(out).to_pylist())
    asked = Recommender.load(made("item2vec"), history=newer)
    assert found == alone(asked, [*shop.sizes, "new"], 10, exclude_seen=True)
    assert "059" not in [row["item"] for row in found["u000"]]


INTERRUPTED = """
import sys
from recembed.pipeline import batch
batch.BLOCK = 40
import recembed
print("ready", flush=True)
recembed.recommend(sys.argv[1], all_users=True, out=sys.argv[2], k=int(sys.argv[3]), quiet=True)
"""


def asking(run, out, k):
    command = [sys.executable, "-c", INTERRUPTED, run, out, str(k)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_one_that_is_killed_goes_on_and_ends_with_the_same_bytes(made, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert asking(made("popularity"), whole, 5).wait() == 0

    def parts():
        return len(list(tmp_path.glob(".killed.*.parts/*.arrow")))

    out.write_bytes(b"what was there before")
    done = []
    for _ in range(2):
        process = asking(made("popularity"), out, 5)
        there = parts()
        while parts() == there and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert out.read_bytes() in (b"what was there before", whole.read_bytes())
        done.append(parts())
    assert any(done), "none was killed in the middle"
    process = asking(made("popularity"), out, 5)
    assert process.wait() == 0
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "killed"}


class Stop(Exception):
    pass


def stopped_after(monkeypatch, blocks):
    """Make the next answer end with an error after so many blocks; how many were asked for."""
    asked, lists_of = [], batch.lists_of

    def some(state, users, wish):
        if len(users) and len(asked) == blocks:
            raise Stop
        asked.extend([len(users)] if len(users) else [])
        return lists_of(state, users, wish)

    monkeypatch.setattr(batch, "lists_of", some)
    return asked


def stopped(monkeypatch, run, question):
    """Ask, with an error after three blocks; the sizes of these."""
    with monkeypatch.context() as patch:
        asked = stopped_after(patch, 3)
        with pytest.raises(Stop):
            recembed.recommend(run, **question)
    return asked


def test_finished_blocks_are_kept_and_not_asked_again(made, tmp_path, small_blocks, monkeypatch):
    question = {"all_users": True, "out": tmp_path / "recs", "k": 4, "quiet": True}
    first = stopped(monkeypatch, made("als"), question)
    with monkeypatch.context() as patch:
        second = stopped_after(patch, None)
        recembed.recommend(made("als"), **question)
    assert len(first) == 3
    assert sum(first) + sum(second) == 120


@pytest.mark.parametrize(
    "other", [{"k": 5}, {"exclude": ["003"]}, {"shard": "1/2"}, {"index": "exact"}]
)
def test_parts_of_another_question_are_not_used_and_go(
    made, tmp_path, small_blocks, monkeypatch, other
):
    question = {"all_users": True, "out": tmp_path / "recs", "k": 4, "quiet": True}
    stopped(monkeypatch, made("als"), question)
    recembed.recommend(made("als"), **{**question, **other})
    recembed.recommend(made("als"), **{**question, **other, "out": tmp_path / "fresh"})
    assert (tmp_path / "recs").read_bytes() == (tmp_path / "fresh").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"recs", "fresh"}


def test_parts_of_an_older_run_are_not_used(copied, call, tmp_path, small_blocks, monkeypatch):
    run = copied("item2vec")
    question = {"all_users": True, "out": tmp_path / "recs", "k": 4, "quiet": True}
    stopped(monkeypatch, run, question)
    call("index", run, "--kind", "annoy", "--quiet")
    with monkeypatch.context() as patch:
        asked = stopped_after(patch, None)
        recembed.recommend(run, **question)
    assert sum(asked) == 120


def test_parts_of_another_file_stay(made, tmp_path, small_blocks, monkeypatch):
    question = {"all_users": True, "k": 4, "quiet": True}
    stopped(monkeypatch, made("als"), {**question, "out": tmp_path / "recs.parquet"})
    kept = {path.name for path in tmp_path.iterdir()}
    for name in ("recs", "recs*", "*"):
        recembed.recommend(made("als"), **question, out=tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "recs", "recs*", "*"}


def test_two_processes_do_not_answer_into_one_file(made, tmp_path):
    out, state = tmp_path / "recs", Recommender.load(made("als")).state
    asked = batch.Batch(state, batch.Wish(10))
    folder = tmp_path / f".recs.{asked._key()}.parts"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(RunError, match="another process"):
        recembed.recommend(made("als"), all_users=True, out=out, quiet=True)
    os.close(other)
    recembed.recommend(made("als"), all_users=True, out=out, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["recs"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"all_users": True}, "into a Parquet file: name it"),
        ({"user": "u000", "out": "x"}, "for all users"),
        ({"user": "u000", "shard": "1/2"}, "for all users"),
        ({"all_users": True, "out": "x.csv"}, "name it so, not .*x.csv"),
        ({"all_users": True, "user": "u000", "out": "x"}, "user and all users exclude each other"),
        ({"all_users": True, "basket": "001", "out": "x"}, "ask for all users"),
        ({}, "ask for all users"),
        ({"all_users": True, "out": "x", "shard": "0/2"}, "1/8, 2/8"),
        ({"all_users": True, "out": "x", "shard": "3/2"}, "1/8, 2/8"),
        ({"all_users": True, "out": "x", "shard": "half"}, "1/8, 2/8"),
        ({"all_users": True, "out": "nowhere/x"}, "no folder"),
        ({"all_users": True, "out": "x", "k": 0}, "k must be"),
        ({"all_users": True, "out": "x", "where": {"size": 1}}, "no column"),
    ],
)
def test_questions_that_make_no_sense_leave_nothing(made, tmp_path, options, says):
    options = {**options, **({"out": tmp_path / options["out"]} if "out" in options else {})}
    with pytest.raises(DataError, match=says):
        recembed.recommend(made("als"), quiet=True, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_cap_that_is_no_number_is_misuse(made, misused):
    assert "a number of items" in misused(
        "recommend", made("als"), "--user", "u000", "--cap", "colour=few"
    )
