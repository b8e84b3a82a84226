"""A two-tower training that is watched: here, or in a process of its own for its memory.

    python two_tower_process.py FILE SETTING THREADS

FILE is an .npz with values, offsets and n_items of the histories; SETTING is JSON, as `--set` names
it. Prints one JSON object: seconds of each epoch, its target positions, positions a second without
the first steps, and what a matrix product does a second on as many threads.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.registry import estimator
from recembed.progress import Progress, Task
from recembed.protocols import Machine

WARM = 3  # steps until memory and threads are there
SIDE, PRODUCTS = 2048, 7


class Steps(Task):
    """When each step ended, and after how many positions."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        super().__init__(label, total, unit)
        self.times, self.counts = [self.begin], [0]

    def advance(self, amount: int, note: str = "") -> None:
        super().advance(amount, note)
        self.times.append(time.perf_counter())
        self.counts.append(self.done)

    @property
    def rate(self) -> float:
        """Positions a second after the first steps."""
        first = min(WARM, len(self.times) - 2)
        took = self.times[-1] - self.times[first]
        return (self.counts[-1] - self.counts[first]) / took

    def epochs(self, n: int) -> list[float]:
        """Seconds of each of n epochs."""
        ends = [self.times[self.counts.index(self.done * epoch // n)] for epoch in range(n + 1)]
        return np.diff(ends).tolist()


class Watch(Progress):
    """Keeps the steps of the task."""

    def __init__(self) -> None:
        super().__init__("quiet")

    @contextmanager
    def task(self, label: str, total: int, unit: str) -> Iterator[Task]:
        self.steps = Steps(label, total, unit)
        yield self.steps


def trained(log: Log, setting: Mapping[str, Any], threads: int, seed: int = 0) -> Steps:
    """The steps of a whole training."""
    watch = Watch()
    model = estimator("two-tower", setting)
    model.fit(log, seed=seed, machine=Machine(threads, "cpu"), progress=watch)
    return watch.steps


def matrix_rate(threads: int) -> float:
    """Operations a second of a product of square float32 matrices."""
    import torch

    torch.set_num_threads(threads)
    side, taken = torch.rand(SIDE, SIDE), []
    for _ in range(PRODUCTS):
        begin = time.perf_counter()
        side @ side
        taken.append(time.perf_counter() - begin)
    return 2 * SIDE**3 / statistics.median(taken)


def kept(log: Log, path: Path) -> Path:
    """Write what `loaded` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    events = log.interactions
    np.savez(path, values=events.rows, offsets=events.events.offsets, n_items=events.n_items)
    return path


def loaded(path: Path) -> Log:
    """Histories in order, users and items by their number."""
    with np.load(path) as arrays:
        events = Sequences(arrays["values"], arrays["offsets"])
        items = Vocabulary.numbered(int(arrays["n_items"]))
    users = Vocabulary.numbered(len(events), "user")
    return Log(Interactions(users, items, events, order="position"))


if __name__ == "__main__":
    setting = json.loads(sys.argv[2])
    steps = trained(loaded(Path(sys.argv[1])), setting, int(sys.argv[3]))
    told = {
        "seconds": steps.epochs(setting["epochs"]),
        "positions": steps.done // setting["epochs"],
        "rate": steps.rate,
        "matrix_rate": matrix_rate(int(sys.argv[3])),
    }
    print(json.dumps(told))
