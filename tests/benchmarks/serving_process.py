"""One user at a time in this process, and how long a run takes to open.

Bars: inprocess_p99_ms <= 5 (100,000 items x 64, exact search, histories of 30, seen items left
out, lists of 10), open_seconds <= 1 (a run of just under 500 MB, opened for serving by a fresh
process with every sha256 checked; its files are in the page cache, imports are not counted; the
median of five). The vectors are drawn, not trained.
"""

import json
import statistics
import sys
import time

import numpy as np

from benchmarks.harness import Bar, at_most, process, say
from benchmarks.serving_runs import made
from recembed.recommender import Recommender

ITEMS, DIM, USERS = 100_000, 64, 5_000
LARGE, LARGE_DIM = 590_000, 100  # two tables of 236 MB beside ids and events
OPENED = """
import json, sys, time
from pathlib import Path
from recembed.recommender import Recommender
begin = time.perf_counter()
shop = Recommender.load(sys.argv[1])
opened = time.perf_counter() - begin
shop.recommend(0)
size = sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
print(json.dumps([opened, time.perf_counter() - begin, size / 1e6]))
"""


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Latencies, then opening."""
    times = latencies(500 if quick else USERS)
    p50, p99 = np.percentile(times, [50, 99])
    say("serving: opening a run of 500 MB ...")
    large = made(50_000 if quick else LARGE, LARGE_DIM, 20_000)
    opened, answered, size = zip(*(opening(large) for _ in range(5)), strict=True)
    figures = {
        "inprocess_p50_ms": float(p50),
        "inprocess_worst_ms": float(times.max()),
        "open_megabytes": size[0],
        "open_and_answer_seconds": statistics.median(answered),
    }
    bars = [at_most("inprocess_p99_ms", p99, 5)]
    if not quick:
        bars.append(at_most("open_seconds", statistics.median(opened), 1))
    return figures, bars


def latencies(n: int) -> np.ndarray:
    """Milliseconds of each of n answers."""
    say("serving: one user at a time ...")
    shop = Recommender.load(made(ITEMS, DIM, USERS))
    for user in range(100):
        shop.recommend(user)
    times = np.empty(n)
    for user in range(n):
        begin = time.perf_counter()
        shop.recommend(user)
        times[user] = 1000 * (time.perf_counter() - begin)
    return times


def opening(run: object) -> list[float]:
    """Seconds to open, seconds until the first answer, megabytes."""
    found: list[float] = json.loads(process([sys.executable, "-c", OPENED, str(run)]).said)
    return found
