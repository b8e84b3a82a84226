"""The skip-gram engine: word2vec's two architectures over Sequences of anything.

This file drives: it says what a chunk of sequences is and when training diverged; `hogwild` hands
the chunks to threads. The work is done in the kernels `shared`, `pairs` and `cbow`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import Vectors, blocks
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.training import tiles
from recembed.training.checkpoint import Store
from recembed.training.corpus import counts_of, read_only
from recembed.training.hogwild import Work
from recembed.training.sampler import AliasTable, keep_probability, negative_weights
from recembed.training.state import SCRATCH, State, zeros

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
    state = _start(n_inputs, n_rows, setting.dim, seed)
    key = (replace(setting, learning_rate=0.0), seed, state.tables["outputs"].shape, CHUNK)
    store = None if checkpoint is None else Store.of(checkpoint, key, corpus, bags)
    if store is not None:
        store.load(state)
    kernel = _kernel(corpus, counts, setting, state, bags)
    edges, tokens = _chunks(corpus), len(corpus.values)
    total, firsts = setting.epochs * tokens, corpus.offsets[edges]  # the first token of each chunk

    def run(chunk: int) -> tuple[float, int]:
        rate = _rate(setting, (state.epoch * tokens + int(firsts[chunk])) / total)
        draw = seeds.rng(seed, "skipgram", state.epoch, chunk)
        generator = int(draw.integers(1, 2**63, dtype=np.uint64))
        return kernel(int(edges[chunk]), int(edges[chunk + 1]), rate, generator)

    def check() -> None:
        _check_sane(state, setting, store)

    work = Work(state, len(edges) - 1, setting.epochs, check, store)
    with (
        progress.task(setting.architecture, total, "tokens") as task,
        ThreadPoolExecutor(threads) as pool,
    ):
        task.resume(state.epoch * tokens + int(firsts[state.chunk]))

        def advance(chunk: int, note: str) -> None:
            task.advance(int(firsts[chunk + 1] - firsts[chunk]), note)

        while state.epoch < setting.epochs:
            before = state.epoch
            work.until_due(run, pool, threads, advance)
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
    inputs, outputs = (table[:, : setting.dim] for table in state.tables.values())
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
    arrays = (*state.tables.values(), alias, token_keep, chances)
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


def _rate(setting: SkipGram, share: float) -> float:
    """The step size when such a share of training is done: it falls to word2vec's floor."""
    return setting.learning_rate * max(1 - share, 1e-3)


def _check_sane(state: State, setting: SkipGram, store: Store | None) -> None:
    """Raises: DataError if the loss is no number, or far above that of vectors of zeros."""
    targets = setting.negatives + 1
    # the chances that correct cross-entropy make that of zeros larger, by less than 20
    most = 2 * np.log(2) * targets + 1 if setting.loss == "logistic" else np.log(targets) + 20
    if state.finite() and state.mean <= most:
        return
    kept = "" if store is None else store.described()
    raise DataError(
        f"training diverged in epoch {state.epoch + 1} of {setting.epochs} at learning_rate "
        f"{setting.learning_rate}: set it lower, or negatives (word2vec: 0.025, 5){kept}"
    )


def _start(n_inputs: int, n_outputs: int, dim: int, seed: int) -> State:
    """Small random inputs, as in fastText twice those of word2vec, and outputs of 0.

    The larger start costs nothing and leaves the saddle at 0 sooner: on Amazon Beauty, 20
    epochs of skip-gram, recall@10 .0646 instead of .0611.
    """
    random = seeds.rng(seed, "skipgram", "start")
    inputs, outputs = zeros(n_inputs, tiles.padded(dim)), zeros(n_outputs, tiles.padded(dim))
    for part in blocks(n_inputs, 4 * dim, SCRATCH):
        drawn = random.random((part.stop - part.start, dim), np.float32)
        inputs[part, :dim] = (2 * drawn - 1) / np.float32(dim)
    return State({"inputs": inputs, "outputs": outputs}, [])


def _check(corpus: Sequences, n_rows: int, setting: SkipGram, bags: Sequences | None) -> None:
    if bags is not None and (len(bags) != n_rows or not len(bags.values)):
        raise DataError(
            f"bags are one for each of {n_rows} rows and not all empty: {len(bags)} came"
        )
    if not len(corpus) or corpus.sizes.max() < 2:
        raise DataError(
            "no sequence has two items, so there is nothing to learn from: bring more events"
        )
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
