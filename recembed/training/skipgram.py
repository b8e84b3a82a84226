"""Skip-gram with negative sampling over Sequences: a Numba kernel and the loop around it.

The negatives are drawn once a centre and shared by all its pairs; the centre's output row and
theirs are gathered into a small contiguous tile, every pair works on the tile, and the changes are
added back once. Dimension and number of targets are compile-time constants, so the inner loops
become vector code.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import Mask, Vectors
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.training.sampler import AliasTable, keep_probability, negative_weights

TABLE, CLIP = 1024, np.float32(8.0)  # beyond +-8 the sigmoid is flat to 3e-4
_GRID = (np.arange(TABLE, dtype=np.float64) + 0.5) / TABLE * 2 * float(CLIP) - float(CLIP)
SIGMOID = (1 / (1 + np.exp(-_GRID))).astype(np.float32)
SOFTPLUS = np.log1p(np.exp(_GRID)).astype(np.float32)  # the loss of a negative pair with score x
# fastmath less nnan and ninf: with those, a score that is NaN would index outside the tables
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
CHUNK = 1 << 16  # tokens a worker takes at a time: enough to hide the hand-over, few to spread


@dataclass(frozen=True)
class SkipGram:
    """What is trained; the meaning of each field stands where users set it (models.item2vec)."""

    dim: int
    window: int | None
    negatives: int
    exponent: float
    subsample: float
    direction: Literal["both", "past"]
    shrink: bool
    epochs: int
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Tables:
    """Input vectors of the context, output vectors of the centre, [n_rows, dim] each."""

    inputs: Vectors
    outputs: Vectors
    losses: list[float]  # mean loss of a pair, an epoch each


@njit(inline="always")
def _next(state: np.uint64) -> np.uint64:
    """One step of xorshift64 (Marsaglia 2003)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@lru_cache
def kernel(  # noqa: C901 - one hot loop, kept in one piece for the compiler
    dim: int, targets: int, past: bool, shrink: bool
) -> Callable[..., tuple[float, int]]:
    """The compiled pass over a range of sequences; the arguments are its constants."""

    @njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False, cache=True)
    def run(  # noqa: C901, PLR0913 - the kernel's arguments are arrays alone
        values: Any,  # int32 [n]
        offsets: Any,  # int64 [m+1]
        first: int,
        stop: int,
        inputs: Any,  # float32 [n_rows, dim]
        outputs: Any,  # float32 [n_rows, dim]
        window: int,
        rate: float,
        state: np.uint64,
        alias_keep: Any,  # float32 [n_rows]
        alias_other: Any,  # int32 [n_rows]
        token_keep: Any,  # float32 [n_rows]
        sigmoid: Any,
        softplus: Any,
    ) -> tuple[float, int]:
        n_rows = len(alias_keep)
        tile = np.empty((targets, dim), np.float32)  # the centre and its negatives, gathered once
        delta = np.empty((targets, dim), np.float32)
        gain = np.empty(targets, np.float32)
        row = np.empty(targets, np.int32)
        sentence = np.empty(np.max(offsets[first + 1 : stop + 1] - offsets[first:stop]), np.int32)
        scale, limit = np.float32(TABLE / (2 * CLIP)), np.float32(CLIP * 0.9999)
        unit = np.float32(1.0 / (1 << 24))
        lr = np.float32(rate)
        loss, pairs = 0.0, 0
        for u in range(first, stop):
            size = 0
            for at in range(offsets[u], offsets[u + 1]):
                keep = token_keep[values[at]]
                if keep < np.float32(1):
                    state = _next(state)
                    if np.float32(state >> np.uint64(40)) * unit >= keep:
                        continue
                sentence[size] = values[at]
                size += 1
            for i in range(size):
                reach = window
                if shrink:
                    state = _next(state)
                    reach = int(1 + np.int64((state >> np.uint64(33)) % np.uint64(window)))
                begin = max(0, i - reach)
                end = i if past else min(size, i + reach + 1)
                if end - begin < 1 or (not past and end - begin < 2):
                    continue
                row[0] = sentence[i]
                for k in range(1, targets):
                    state = _next(state)
                    slot = np.int64(((state >> np.uint64(32)) * np.uint64(n_rows)) >> np.uint64(32))
                    state = _next(state)
                    kept = np.float32(state >> np.uint64(40)) * unit < alias_keep[slot]
                    row[k] = np.int32(slot) if kept else alias_other[slot]
                for k in range(targets):
                    y = outputs[row[k]]  # a view: indexing [row[k], d] below is not vectorised
                    for d in range(dim):
                        tile[k, d] = y[d]
                        delta[k, d] = np.float32(0)
                for j in range(begin, end):
                    if not past and j == i:
                        continue
                    x = inputs[sentence[j]]
                    for k in range(targets):
                        f = np.float32(0)
                        for d in range(dim):
                            f += x[d] * tile[k, d]
                        f = f if f < limit else limit  # NaN, too, ends at the limit
                        f = f if f > -limit else -limit
                        if k == 0:
                            gain[k] = sigmoid[np.int32((CLIP - f) * scale)] * lr
                            loss += softplus[np.int32((CLIP - f) * scale)]
                        elif row[k] == row[0]:  # the centre itself is no negative
                            gain[k] = np.float32(0)
                        else:
                            gain[k] = -sigmoid[np.int32((f + CLIP) * scale)] * lr
                            loss += softplus[np.int32((f + CLIP) * scale)]
                    for d in range(dim):
                        xd, step = x[d], np.float32(0)
                        for k in range(targets):
                            step += gain[k] * tile[k, d]
                            delta[k, d] += gain[k] * xd
                        x[d] = xd + step
                    pairs += 1
                for k in range(targets):
                    y = outputs[row[k]]
                    for d in range(dim):
                        y[d] += delta[k, d]
        return loss, pairs

    return run  # type: ignore[no-any-return]


def train(
    corpus: Sequences,
    n_rows: int,
    setting: SkipGram,
    *,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = QUIET,
) -> Tables:
    """Train both tables on all sequences. One thread and one seed give the same bytes.

    Raises: DataError if no sequence has two values, or if training diverges.
    Source: Mikolov et al. 2013 (arXiv 1310.4546); item2vec: Barkan, Koenigstein 2016.
    """
    counts = np.bincount(corpus.values, minlength=n_rows)
    if not len(corpus) or corpus.sizes.max() < 2:
        raise DataError("no sequence has two items, so there is nothing to learn from")
    random = seeds.rng(seed, "skipgram", "start")
    inputs = ((random.random((n_rows, setting.dim), np.float32) - 0.5) / setting.dim).astype("f4")
    tables = Tables(inputs, np.zeros((n_rows, setting.dim), np.float32), [])
    alias = AliasTable.of(negative_weights(counts, setting.exponent))
    token_keep = keep_probability(counts, setting.subsample)
    window = setting.window or int(corpus.sizes.max())
    shrink = setting.shrink and setting.window is not None
    run = kernel(setting.dim, setting.negatives + 1, setting.direction == "past", shrink)
    edges = _chunks(corpus)
    total = setting.epochs * len(corpus.values)

    def chunk(epoch: int, c: int) -> tuple[float, int, int]:
        first, stop = int(edges[c]), int(edges[c + 1])
        done = (epoch * len(corpus.values) + int(corpus.offsets[first])) / total
        rate = setting.learning_rate * max(1 - done, 1e-3)  # linear decay, word2vec's floor
        state = seeds.rng(seed, "skipgram", epoch, c).integers(1, 2**63, dtype=np.uint64)
        arrays = (alias.keep, alias.other, token_keep, SIGMOID, SOFTPLUS)
        loss, pairs = run(
            corpus.values,
            corpus.offsets,
            first,
            stop,
            tables.inputs,
            tables.outputs,
            window,
            rate,
            state,
            *arrays,
        )
        return loss, pairs, int(corpus.offsets[stop] - corpus.offsets[first])

    with (
        progress.task("skip-gram", total, "tokens") as task,
        ThreadPoolExecutor(threads) as pool,
    ):
        for epoch in range(setting.epochs):
            loss, pairs = 0.0, 0
            for part, some, tokens in pool.map(
                chunk, [epoch] * (len(edges) - 1), range(len(edges) - 1)
            ):
                loss, pairs = loss + part, pairs + some
                note = f"epoch {epoch + 1}/{setting.epochs}, loss {loss / max(pairs, 1):.4f}"
                task.advance(tokens, note)
            tables.losses.append(loss / max(pairs, 1))
            _check_sane(tables, epoch, setting)
    return tables


def _chunks(corpus: Sequences) -> NDArray[np.int64]:
    """Edges of runs of whole sequences of about CHUNK tokens, [n_chunks + 1]."""
    steps = np.arange(0, len(corpus.values), CHUNK)
    edges = np.searchsorted(corpus.offsets, steps)
    return np.unique(np.append(np.minimum(edges, len(corpus)), len(corpus)))


def _check_sane(tables: Tables, epoch: int, setting: SkipGram) -> None:
    probe = float(tables.inputs.sum(dtype=np.float64) + tables.outputs.sum(dtype=np.float64))
    untrained = (setting.negatives + 1) * np.log(2)  # the loss of a pair when all scores are 0
    if not np.isfinite(probe) or not tables.losses[-1] < 2 * untrained:
        raise DataError(
            f"training diverged in epoch {epoch + 1} at learning_rate {setting.learning_rate}: "
            f"set it lower (word2vec's default is 0.025)"
        )


def trained_rows(corpus: Sequences, n_rows: int) -> Mask:
    """Rows that stand beside another one in a sequence, [n_rows]: the others have no pair."""
    beside = (corpus.sizes > 1)[corpus.owners()]
    return np.bincount(corpus.values[beside], minlength=n_rows) > 0
