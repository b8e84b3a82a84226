"""Trains, indexes, evaluates, lists and forgets in one run, over and over; says where it is.

A process of its own, to be killed at any moment.
"""

import sys
from itertools import count
from pathlib import Path

import recembed
from recembed.models import als
from recembed.pipeline import batch, evaluate, forget, index, recommend, train
from recembed.run.folder import Run

MODULES = (als, batch, evaluate, forget, index, recommend, train)  # loaded before it begins


def say(*words):
    print(*words, flush=True)


def do(log, run, out):
    """Say each verb before it is begun, and the run that it made after it is done."""
    for turn in count():
        verbs = {
            "train": lambda turn=turn: recembed.train(
                log,
                run,
                model="als",
                set={"dim": 4 + turn % 2, "iterations": 1},
                test="last:1",
                threads=1,
                quiet=True,
            ),
            "index": lambda: recembed.index(run, kind="annoy", quiet=True),
            "evaluate": lambda: recembed.evaluate(run, html=False, quiet=True, threads=1),
            "lists": lambda: recembed.recommend(run, all_users=True, out=out, quiet=True),
            "forget": lambda: recembed.forget(run, user=["u001"]),
        }
        for verb, work in verbs.items():
            say("begin", verb)
            work()
            say("done", Run.open(run).identity)
        Path(out).unlink()


if __name__ == "__main__":
    say("ready")
    do(*sys.argv[1:])
