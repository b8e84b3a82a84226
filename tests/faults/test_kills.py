"""Killed at a random moment: there is the run of before or the next one, and work goes on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import recembed
from recembed.run.folder import Run
from recembed.run.log import load_log

FEW, MANY = 2, 200
LONG = 4.0  # seconds: at most so long a process works before it is killed
MAKES = {  # what a run of each verb has more than one without it
    "train": {"events", "users", "items", "model"},
    "index": {"index"},
    "evaluate": {"report.json", "report.md", "places"},
}


def killed(arguments, seconds):
    """What a process said that was killed so many seconds after its first word."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("doing.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # nothing of what it said stays behind in a reader
    )
    assert process.stdout.readline() == b"ready\n", process.communicate()[1].decode()
    time.sleep(seconds)
    process.kill()
    said, wrong = process.communicate()
    assert process.returncode == -9, wrong.decode()
    return [line.split() for line in said.decode().splitlines()]


def check(run, said, before):
    """The run is that of the last verb that was done, or that of the one that was going on."""
    known = [words[1] for words in said if words[0] == "done"]
    identity = known[-1] if known else before
    going = said[-1][1] if said and said[-1][0] == "begin" else None
    if not (run / "manifest.json").exists():
        assert identity is None
        return None
    opened = Run.open(run)  # every byte of it
    if opened.identity != identity:
        assert going in (*MAKES, "forget"), said[-2:]
        assert MAKES.get(going, set()) <= opened.files.keys()
    users = load_log(opened)[0].interactions.users
    answers = recembed.recommend(run, user=["u002"])
    assert answers[0].reason == "model"
    assert len(users) in (119, 120)
    factors = opened.arrays("model")["factors"]
    assert factors.shape[1] == opened.facts["setting"]["dim"]
    return opened.identity


@pytest.mark.parametrize(
    "n", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_process_that_is_killed_leaves_the_old_run_or_the_new_one(shop, tmp_path, n):
    run, out, rng = tmp_path / "run", tmp_path / "lists.parquet", np.random.default_rng(n)
    before, going = None, set()
    for _ in range(n):
        said = killed((shop.log, run, out), rng.uniform(0, LONG))
        before = check(run, said, before)
        going |= {words[1] for words in said if words[0] == "begin"}
        if out.exists():  # there as a whole, or not at all
            assert len(set(pq.read_table(out).column("user").to_pylist())) in (119, 120)
        out.unlink(missing_ok=True)
    assert "train" in going
    if n == MANY:
        assert going == {"train", "index", "evaluate", "lists", "forget"}
    # whatever was left behind, the next command works and sweeps it away
    recembed.train(shop.log, run, model="popularity", test="last:1", quiet=True)
    names = {path.name for path in run.iterdir()} - {".lock", "manifest.json"}
    assert names == {path.name for path in Run.open(run).files.values()}
