"""GloVe: the product of two rows' vectors comes near the logarithm of their co-occurrence.

This file drives, as `skipgram` does: a chunk is a random share of the pairs. A row has two vectors,
as itself and as context; what is learned is their sum.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import Rows, Vectors, blocks
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.training import adagrad, cooccurrence
from recembed.training.checkpoint import Store
from recembed.training.hogwild import Work
from recembed.training.state import SCRATCH, State, zeros
from recembed.training.tiles import padded

WORSE = 10.0  # times the loss of vectors of zeros: that is no learning any more


@dataclass(frozen=True)
class Setting:
    """What is trained; the meaning of each field stands where users set it (text.glove)."""

    dim: int
    window: int
    x_max: float
    exponent: float
    epochs: int
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Part:
    """Some pairs: rows and columns int32 [n], logs of their weights, and what each counts for."""

    rows: Rows
    columns: Rows
    logs: Vectors
    shares: Vectors

    @classmethod
    def read(cls, path: Path, setting: Setting) -> "Part":
        """From a file of cooccurrence."""
        pairs = np.fromfile(path, cooccurrence.PAIR)
        logs = np.log(pairs["weight"])
        below = np.minimum(logs - np.float32(np.log(setting.x_max)), 0)
        shares = np.exp(np.float32(setting.exponent) * below)
        rows, columns = (np.ascontiguousarray(pairs[name]) for name in ("row", "column"))
        return cls(rows, columns, logs, shares)


@dataclass(frozen=True, eq=False)
class _Parts:
    """The files of pairs, in an order of its own for each epoch."""

    files: list[Path]
    setting: Setting
    seed: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many pairs each file has."""
        bytes_of = [path.stat().st_size for path in self.files]
        return np.array(bytes_of, np.int64) // cooccurrence.PAIR.itemsize

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Which file is which chunk."""
        return seeds.rng(self.seed, "glove", epoch).permutation(len(self.files))

    def read(self, epoch: int, chunk: int) -> tuple[Part, int]:
        """A chunk, and where to begin in it: threads that went alike would meet all the time."""
        part = Part.read(self.files[self.order(epoch)[chunk]], self.setting)
        first = seeds.rng(self.seed, "glove", epoch, chunk).integers(len(part.rows))
        return part, int(first)


def train(
    corpus: Sequences,
    n_rows: int,
    setting: Setting,
    folder: Path,
    *,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
    progress: Progress = QUIET,
) -> tuple[Vectors, list[float]]:
    """Vectors [n_rows, dim], and the mean loss of each epoch. One thread, one seed: same bytes.

    corpus: may be memory-mapped; its rows are numbered from the most frequent one on. folder: where
    the pairs lie meanwhile, 12 to 24 bytes each.

    Raises: DataError if no sequence has two values, if training diverges, or if the checkpoint
    belongs to other data or another setting.
    Source: Pennington, Socher, Manning 2014 (aclanthology.org/D14-1162), and as in their code sums
    of squares begin at 1 and add up steps, not slopes.
    """
    if not len(corpus) or corpus.sizes.max() < 2:
        raise DataError(
            "no sequence has two items, so there is nothing to learn from: bring more events"
        )
    state, store = _start(n_rows, setting.dim, seed), None
    if machine.checkpoint is not None:
        key = ("glove", replace(setting, learning_rate=0.0), seed, n_rows, machine.memory)
        store = Store.of(machine.checkpoint, key, corpus)
        store.load(state)
    memory = machine.memory
    files = cooccurrence.count(
        corpus, n_rows, setting.window, folder, seed=seed, memory=memory, progress=progress
    )
    parts = _Parts(files, setting, seed)
    check = _checked(state, setting, Part.read(files[0], setting), store)
    work = Work(state, len(files), setting.epochs, check, store)
    _run(work, parts, machine.threads, progress)
    vectors, width = state.tables["vectors"], padded(setting.dim)
    words, contexts = vectors[:, : setting.dim], vectors[:, width : width + setting.dim]
    return words + contexts, state.losses


def _run(work: Work, parts: _Parts, threads: int, progress: Progress) -> None:
    state, sizes = work.state, parts.sizes
    tables = (*state.tables.values(),)

    def run(chunk: int) -> tuple[float, int]:
        part, first = parts.read(state.epoch, chunk)
        arrays = (part.rows, part.columns, part.logs, part.shares)
        return adagrad.run(*arrays, first, tables, parts.setting.learning_rate)  # type: ignore[no-any-return]

    total = int(sizes.sum())
    with (
        progress.task("glove", work.epochs * total, "pairs") as task,
        ThreadPoolExecutor(threads) as pool,
    ):
        done = parts.order(state.epoch)[: state.chunk]
        task.resume(state.epoch * total + int(sizes[done].sum()))

        def advance(chunk: int, note: str) -> None:
            task.advance(int(sizes[parts.order(state.epoch)[chunk]]), note)

        while state.epoch < work.epochs:
            work.until_due(run, pool, threads, advance)
    work.save()


def _checked(state: State, setting: Setting, some: Part, store: Store | None) -> Callable[[], None]:
    """Raises DataError if the loss is no number, or far above that of vectors of zeros."""
    most = WORSE * float(np.mean(some.shares * some.logs**2)) / 2

    def check() -> None:
        if state.finite() and state.mean <= most:
            return
        kept = "" if store is None else store.described()
        raise DataError(
            f"training diverged in epoch {state.epoch + 1} of {setting.epochs} at learning_rate "
            f"{setting.learning_rate}: set it lower (GloVe: 0.05){kept}"
        )

    return check


def _start(n_rows: int, dim: int, seed: int) -> State:
    """Small random vectors and biases, as theirs; sums of squares of 1."""
    random, width = seeds.rng(seed, "glove", "start"), padded(dim)
    vectors, squares = zeros(n_rows, 2 * width), zeros(n_rows, 2 * width)
    biases = zeros(n_rows, 4)
    for part in blocks(n_rows, 8 * dim, SCRATCH):
        drawn = random.random((part.stop - part.start, 2, dim + 1), np.float32)
        drawn = (drawn - np.float32(0.5)) / np.float32(dim)
        vectors[part].reshape(-1, 2, width)[:, :, :dim] = drawn[:, :, :dim]
        biases[part, :2] = drawn[:, :, dim]
    squares[:], biases[:, 2:] = 1, 1
    return State({"vectors": vectors, "squares": squares, "biases": biases}, [])
