"""Metrics of given lists against RecTools 0.19: MovieLens-1M, all users, top-100, two threads.

Lists of a 64-dim singular value decomposition; each user's last five films are to be found. Both
start from the lists, targets and training events in memory (RecTools has them as frames already)
and end with the mean of every metric at 10 and 100: recall, nDCG, MRR, hit rate, precision, MAP,
catalogue coverage, novelty, mean popularity. RecTools' distance within lists is left out: it makes
a frame of all pairs, 30 million here.
"""

import json
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from benchmarks.harness import (
    ROOT,
    Bar,
    BenchError,
    at_least,
    environment,
    peers,
    seconds,
)
from benchmarks.skipgram_corpora import shared
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.read import read_log
from recembed.data.sequences import Sequences
from recembed.metrics import beyond
from recembed.metrics.accuracy import METRICS
from recembed.metrics.places import places_of
from recembed.protocols import TopK
from recembed.search.exact import ExactIndex

RECTOOLS = ["rectools==0.19.0", "numpy==1.26.4", "pandas==2.2.3", "scipy==1.14.1"]
SCRATCH = ROOT / ".bench" / "evaluation"
KS, DIM, LAST, THREADS = (10, 100), 64, 5, 2
AGREE = 1e-9  # sums in another order
OURS_A_TURN = 5  # ours is so short that a turn takes the median of some


@dataclass(frozen=True, eq=False)
class Given:
    """What both sides get: lists, what they should hold, and what was trained on."""

    top: TopK
    targets: Sequences
    train: Interactions


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """vs_rectools_metrics >= 5; metrics_difference: the largest of any mean, relative.

    Raises: BenchError if the two do not agree, as then they do not do the same work.
    """
    with threadpool_limits(THREADS):
        given = recommended()
        with rectools(given) as ask:
            theirs, mine = ask()["values"], ours(given)  # also warms both up
            repeats = 1 if quick else 9 if repeat else 5
            turns = [(ask()["seconds"], own(given)) for _ in range(repeats)]
    apart = {name: abs(theirs[name] / value - 1) for name, value in mine.items()}
    wrong = [name for name, difference in apart.items() if not difference < AGREE]
    if wrong:
        raise BenchError(f"RecTools and recembed differ in {', '.join(wrong)}")
    took = [statistics.median(times) for times in zip(*turns, strict=True)]
    figures = {
        "rectools_metrics_seconds": took[0],
        "metrics_seconds": took[1],
        "metrics_compared": len(apart),
        "metrics_difference": max(apart.values()),
    }
    return figures, [at_least("vs_rectools_metrics", took[0] / took[1], 5)]


def recommended() -> Given:
    """The lists of a decomposition of all but the last events, without what was trained on."""
    films = read_log(shared("ml-1m")).interactions
    stops = films.events.offsets[1:][films.events.owners()]
    last = np.arange(len(films)) >= stops - LAST
    train, targets = films.keep(~last), films.keep(last).events
    users, strength, items = svds(train.matrix().astype(np.float64), DIM, random_state=0)
    known = train.counts() > 0
    vectors = Embeddings(films.items, np.ascontiguousarray(items.T, np.float32), known)
    queries = (users * strength).astype(np.float32)
    return Given(ExactIndex(vectors).search(queries, max(KS), exclude=train.events), targets, train)


def ours(given: Given) -> dict[str, float]:
    """The mean of every metric at every k."""
    events = given.train.counts()
    places = places_of(given.top, given.targets, None)
    found = {}
    for k in KS:
        rows = given.top.rows[:, :k]
        found |= {f"{name}@{k}": metric(places, k).mean() for name, metric in METRICS.items()}
        counts = np.bincount(rows[rows >= 0], minlength=len(events))
        found[f"coverage@{k}"] = beyond.coverage(counts)
        # RecTools relates an item's events to the users, we to all events.
        shift = np.log2(given.train.n_users / len(given.train))
        found[f"novelty@{k}"] = beyond.novelty(rows, events).mean() + shift
        found[f"popularity@{k}"] = beyond.popularity(rows, events).mean()
    return found


def own(given: Given) -> float:
    """Seconds of ours."""
    return statistics.median(seconds(lambda: ours(given)) for _ in range(OURS_A_TURN))


@contextmanager
def rectools(given: Given) -> Iterator[Callable[[], dict[str, Any]]]:
    """A process that has the same arrays, and computes its metrics when asked."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    path = SCRATCH / "metrics.npz"
    users, places = np.nonzero(given.top.rows >= 0)
    np.savez(
        path,
        user=users,
        item=given.top.rows[users, places],
        rank=places + 1,
        test_user=given.targets.owners(),
        test_item=given.targets.values,
        train_user=given.train.events.owners(),
        train_item=given.train.rows,
        n_items=given.train.n_items,
        ks=np.array(KS),
    )
    child = subprocess.Popen(
        [peers(RECTOOLS), Path(__file__).with_name("evaluation_metrics_peer.py"), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def ask() -> dict[str, Any]:
        child.stdin.write("go\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if not answer:
            raise BenchError(f"RecTools ended with {child.wait()}")
        told: dict[str, Any] = json.loads(answer)
        return told

    with child:
        yield ask
        child.stdin.close()
