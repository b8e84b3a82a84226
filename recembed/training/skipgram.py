"""The skip-gram engine: word2vec's two architectures over Sequences of anything.

This file drives: it hands chunks of sequences to threads, adds the loss up, looks for divergence,
and keeps the state of training. The work is done in the kernels `shared`, `pairs` and `cbow`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import Vectors
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.training import tiles
from recembed.training.checkpoint import SAVE_EVERY, Store
from recembed.training.corpus import counts_of, read_only
from recembed.training.sampler import AliasTable, keep_probability, negative_weights
from recembed.training.state import State

CHUNK = 1 << 16  # tokens a worker takes at a time: enough to hide the hand-over, few to spread
MOST_PAIRS = 1e13  # weeks of work: a window of None on sequences that are too long for it
TOGETHER, SHARE = 8, 8  # CBOW's centres that share negatives: one for every 8 of those
FADED = 1e-9  # of a context's weight: further away CBOW need not look
ONE_BAG = Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64))  # each row is its own bag


@dataclass(frozen=True)
class SkipGram:
    """What is trained; the meaning of each field stands where users set it (models.item2vec).

    sharing: the pairs of a centre share their negatives, or each has its own; CBOW has one pair a
    centre, and up to TOGETHER neighbours share theirs where there are many; rows that are bags are
    trained pair by pair. decay: CBOW's weight of a context one step further away. dropout: chance
    that CBOW leaves an item of a context out.
    """

    dim: int
    window: int | None
    negatives: int
    exponent: float
    subsample: float
    direction: Literal["both", "past"]
    shrink: bool
    epochs: int
    learning_rate: float
    architecture: Literal["skip-gram", "cbow"] = "skip-gram"
    sharing: Literal["centre", "pair"] = "centre"
    loss: Literal["logistic", "softmax"] = "logistic"
    decay: float = 1.0
    dropout: float = 0.0

    @classmethod
    def of(cls, estimator: Any, **given: Any) -> "SkipGram":
        """The fields that an estimator (a dataclass) has by the same name, and those given."""
        theirs = {each.name for each in fields(estimator)}
        same = [each.name for each in fields(cls) if each.name in theirs]
        return cls(**{name: getattr(estimator, name) for name in same} | given)


@dataclass(frozen=True, eq=False)
class Tables:
    """inputs [n_table_rows, dim] of what is known, outputs [n_rows, dim] of what is predicted."""

    inputs: Vectors
    outputs: Vectors
    losses: list[float]  # mean loss of a pair, an epoch each
    pairs: int  # trained in all epochs


def train(  # noqa: PLR0913 - the engine's one door
    corpus: Sequences,
    n_rows: int,
    setting: SkipGram,
    *,
    bags: Sequences | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = QUIET,
    checkpoint: Path | None = None,
    after: Callable[[int, Tables], None] | None = None,
) -> Tables:
    """Train both tables on all sequences. One thread and one seed give the same bytes.

    corpus: may be memory-mapped; no more than a block of it is looked at at a time. bags: for
    each row the rows of the input table that it is the mean of (a word's n-grams, an item's
    categories). checkpoint: a file that keeps the state of training; where it exists, training
    goes on from there, to the same bytes, or with another learning_rate. It keeps the end as well
    and may be removed when the tables are safe. after: told of each epoch and of the tables, in
    which training goes on.

    Raises: DataError if no sequence has two values, if training diverges, or if the checkpoint
    belongs to other data or another setting.
    Source: Mikolov et al. 2013 (arXiv 1301.3781, 1310.4546); item2vec: Barkan, Koenigstein 2016;
    bags: Bojanowski et al. 2017 (arXiv 1607.04606), Vasile et al. 2016 (arXiv 1607.07326).
    """
    counts = counts_of(corpus, n_rows)
    _check(corpus, n_rows, setting, bags)
    n_inputs = n_rows if bags is None else int(bags.values.max()) + 1
    state = State.start(n_inputs, n_rows, setting.dim, seed)
    key = (replace(setting, learning_rate=0.0), seed, state.outputs.shape, CHUNK)
    store = None if checkpoint is None else Store.of(checkpoint, key, corpus, bags)
    if store is not None:
        store.load(state)
    work = _Work(corpus, setting, state, seed, store)
    run = _kernel(corpus, counts, setting, state, bags)
    total, name = setting.epochs * len(corpus.values), setting.architecture
    done = state.epoch * len(corpus.values) + int(corpus.offsets[work.edges[state.chunk]])
    with progress.task(name, total, "tokens") as task, ThreadPoolExecutor(threads) as pool:
        task.resume(done)
        while state.epoch < setting.epochs:
            before = state.epoch
            work.until_due(run, pool, threads, task.advance)
            if after is not None and state.epoch > before:
                after(state.epoch, _tables(state, setting))
    if not state.trained:
        raise DataError(
            "subsampling left no two items beside each other: set subsample higher or 0"
        )
    work.save()
    return _tables(state, setting)


def _tables(state: State, setting: SkipGram) -> Tables:
    """Views of the state's, without what pads their rows."""
    inputs, outputs = (table[:, : setting.dim] for table in (state.inputs, state.outputs))
    return Tables(inputs, outputs, state.losses, state.trained)


def _kernel(
    corpus: Sequences,
    counts: NDArray[np.int64],
    setting: SkipGram,
    state: State,
    bags: Sequences | None,
) -> Callable[[int, int, float, int], tuple[float, int]]:
    """A pass over the sequences first .. stop - 1 with a learning rate and a generator's state."""
    from recembed.training import cbow, pairs, shared

    targets, softmax = setting.negatives + 1, setting.loss == "softmax"
    weights = negative_weights(counts, setting.exponent)
    chances = np.log(np.maximum(weights / weights.sum(), 1e-30)).astype(np.float32)
    alias = AliasTable.of(weights).packed()
    token_keep = keep_probability(counts, setting.subsample)
    longest = int(corpus.sizes.max())
    window = setting.window or longest
    shrink = setting.shrink and setting.window is not None
    arrays = (state.inputs, state.outputs, alias, token_keep, chances)
    fade = setting.decay ** np.arange(min(window, longest), dtype=np.float64)
    if setting.architecture == "cbow" and not shrink:
        window = max(1, int((fade > FADED).sum()))
    rules = (targets, window, setting.direction == "past", shrink)
    values, offsets = read_only(corpus.values), read_only(corpus.offsets)
    rows = ONE_BAG if bags is None else bags
    bag = (read_only(rows.values), read_only(rows.offsets))
    kernel: Callable[..., tuple[float, int]]
    more: tuple[Any, ...]
    if setting.architecture == "cbow":
        kernel = cbow.kernel(tiles.blocks(setting.negatives)[0], softmax)
        together = min(max(1, setting.negatives // SHARE), TOGETHER)
        exact = setting.sharing == "pair"
        keep = np.float32(1 - setting.dropout)
        more = (*bag, fade.astype(np.float32), keep, 1 if exact else together)
    elif setting.sharing == "pair" or bags is not None:
        kernel, more = pairs.kernel(tiles.blocks(targets)[0], softmax), bag
    else:
        width, blocks = tiles.blocks(targets)
        kernel, more = shared.kernel(width, blocks == 1, softmax), ()

    def run(first: int, stop: int, rate: float, generator: int) -> tuple[float, int]:
        begin = (values, offsets, first, stop)
        return kernel(*begin, *arrays, *rules, rate, np.uint64(generator), *more)

    return run


class _Work:
    """Hands chunks out to threads and takes their losses back."""

    def __init__(
        self, corpus: Sequences, setting: SkipGram, state: State, seed: int, store: Store | None
    ) -> None:
        self.corpus, self.setting, self.state, self.seed = corpus, setting, state, seed
        self.store, self.lock = store, threading.Lock()
        self.edges = _chunks(corpus)
        self.saved = time.monotonic()
        self.next, self.stopped = 0, False

    def until_due(
        self,
        run: Callable[[int, int, float, int], tuple[float, int]],
        pool: ThreadPoolExecutor,
        threads: int,
        advance: Callable[[int, str], None],
    ) -> None:
        """Train to the end of the epoch, or until the state is to be saved."""
        self.next, self.stopped = self.state.chunk, False

        def worker() -> None:
            while (chunk := self._take()) is not None:
                first, stop = int(self.edges[chunk]), int(self.edges[chunk + 1])
                loss, pairs = run(first, stop, *self._rate_and_generator(chunk))
                with self.lock:
                    self._give(loss, pairs)
                    tokens = int(self.corpus.offsets[stop] - self.corpus.offsets[first])
                    advance(tokens, self._note())

        try:
            for each in [pool.submit(worker) for _ in range(threads)]:
                each.result()
        except KeyboardInterrupt:
            self.stopped = True
            pool.shutdown()  # the chunks at hand are finished: then the state is one of a border
            self.save()
            raise
        self._check_sane()
        if self.state.chunk == len(self.edges) - 1:
            self.state.end_epoch()
        if time.monotonic() - self.saved > SAVE_EVERY:
            self.save()

    def _take(self) -> int | None:
        with self.lock:
            due = self.store is not None and time.monotonic() - self.saved > SAVE_EVERY
            if self.stopped or due or self.next == len(self.edges) - 1:
                return None
            self.next += 1
            return self.next - 1

    def _rate_and_generator(self, chunk: int) -> tuple[float, int]:
        tokens = len(self.corpus.values)
        at = self.state.epoch * tokens + int(self.corpus.offsets[self.edges[chunk]])
        left = 1 - at / (self.setting.epochs * tokens)
        rate = self.setting.learning_rate * max(left, 1e-3)  # linear decay, word2vec's floor
        draw = seeds.rng(self.seed, "skipgram", self.state.epoch, chunk)
        return rate, int(draw.integers(1, 2**63, dtype=np.uint64))

    def _give(self, loss: float, pairs: int) -> None:
        self.state.loss += loss
        self.state.pairs += pairs
        self.state.chunk += 1
        self.stopped = self.stopped or not np.isfinite(loss)

    def _note(self) -> str:
        mean = self.state.loss / max(self.state.pairs, 1)
        return f"epoch {self.state.epoch + 1}/{self.setting.epochs}, loss {mean:.4f}"

    def save(self) -> None:
        """Keep the state, if it is to be kept anywhere and is good."""
        if self.store is not None:
            self._check_sane()
            self.store.save(self.state)
        self.saved = time.monotonic()

    def _check_sane(self) -> None:
        """Raises: DataError if the loss is no number, or far above that of vectors of zeros."""
        state, setting = self.state, self.setting
        mean = state.loss / max(state.pairs, 1)
        targets = setting.negatives + 1
        # the chances that correct cross-entropy make that of zeros larger, by less than 20
        most = 2 * np.log(2) * targets + 1 if setting.loss == "logistic" else np.log(targets) + 20
        if state.finite() and mean <= most:
            return
        kept = "" if self.store is None else self.store.described()
        raise DataError(
            f"training diverged in epoch {state.epoch + 1} of {setting.epochs} at learning_rate "
            f"{setting.learning_rate}: set it lower, or negatives (word2vec: 0.025, 5){kept}"
        )


def _check(corpus: Sequences, n_rows: int, setting: SkipGram, bags: Sequences | None) -> None:
    if bags is not None and (len(bags) != n_rows or not len(bags.values)):
        raise DataError(
            f"bags are one for each of {n_rows} rows and not all empty: {len(bags)} came"
        )
    if not len(corpus) or corpus.sizes.max() < 2:
        raise DataError("no sequence has two items, so there is nothing to learn from")
    pairs = float((corpus.sizes.astype(np.float64) ** 2).sum()) * setting.epochs
    if setting.window is None and pairs > MOST_PAIRS:
        raise DataError(
            f"a window of the whole sequence makes {pairs:.0e} pairs here, the longest has "
            f"{corpus.sizes.max()} items: set window to a number"
        )


def _chunks(corpus: Sequences) -> NDArray[np.int64]:
    """Edges of runs of whole sequences of about CHUNK tokens, [n_chunks + 1]."""
    steps = np.arange(0, len(corpus.values), CHUNK)
    edges = np.searchsorted(corpus.offsets, steps)
    return np.unique(np.append(np.minimum(edges, len(corpus)), len(corpus)))
