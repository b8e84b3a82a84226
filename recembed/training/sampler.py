"""Drawing rows from any discrete distribution in constant time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors
from recembed.compiled import njit


@dataclass(frozen=True, eq=False)
class AliasTable:
    """Draw a slot uniformly; keep it with probability keep[slot], else take other[slot].

    Source: Walker 1977, in the linear-time form of Vose 1991.
    """

    keep: Vectors
    other: Rows

    @classmethod
    def of(cls, weights: NDArray[np.floating]) -> "AliasTable":
        """From non-negative weights [n] with a positive sum."""
        scaled = weights.astype(np.float64) * (len(weights) / weights.sum(dtype=np.float64))
        return cls(*_alias(scaled))

    def packed(self) -> NDArray[np.uint64]:
        """Both in one word, chance of 32 bits above the row, so that a draw reads memory once."""
        chance = (self.keep.astype(np.float64) * (2**32 - 1)).astype(np.uint64)
        return (chance << np.uint64(32)) | self.other.astype(np.uint64)


@njit()
def _alias(scaled: Any) -> Any:
    """(keep, other) of weights whose mean is 1, which are used up."""
    n = len(scaled)
    keep, other = np.ones(n, np.float32), np.arange(n).astype(np.int32)
    small, large = np.flatnonzero(scaled < 1), np.flatnonzero(scaled >= 1)
    room = np.empty(n, np.int64)
    room[: len(small)] = small
    n_small, n_large = len(small), len(large)
    while n_small and n_large:
        low, high = room[n_small - 1], large[n_large - 1]
        n_small -= 1
        keep[low], other[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            n_large -= 1
            room[n_small] = high
            n_small += 1
    return keep, other


@njit(inline="always")
def _step(state: np.uint64) -> np.uint64:
    """One step of xorshift64 (Marsaglia 2003); `_bits` makes its output good (Vigna 2016)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@njit(inline="always")
def _bits(state: np.uint64) -> np.uint64:
    return state * np.uint64(2685821657736338717)


@njit(inline="always")
def draw(state: Any, alias: Any) -> Any:
    """The generator's next state and a row from a packed alias table."""
    state = _step(state)
    bits = _bits(state)
    slot = np.int64(((bits >> np.uint64(32)) * np.uint64(len(alias))) >> np.uint64(32))
    packed = alias[slot]
    itself = (bits & np.uint64(0xFFFFFFFF)) < packed >> np.uint64(32)
    return state, np.int32(slot) if itself else np.int32(packed & np.uint64(0xFFFFFFFF))


@njit(inline="always")
def within(state: Any, most: int) -> Any:
    """The generator's next state and a whole number from 1 to `most`."""
    state = _step(state)
    bits = _bits(state) >> np.uint64(32)
    return state, 1 + np.int64((bits * np.uint64(most)) >> np.uint64(32))


@njit(inline="always")
def kept(state: Any, chance: Any) -> Any:
    """The generator's next state, the same if nothing is left to chance, and whether to keep."""
    if chance >= np.float32(1):
        return state, True
    state = _step(state)
    unit = np.float32(_bits(state) >> np.uint64(40)) * np.float32(1.0 / (1 << 24))
    return state, unit < chance


@njit(inline="always")
def subsampled(state: Any, values: Any, token_keep: Any, sentence: Any) -> Any:
    """The generator's next state and how many of the values stay; these come into `sentence`."""
    size = 0
    for value in values:
        state, stays = kept(state, token_keep[value])
        sentence[size] = value
        size += stays
    return state, size


def negative_weights(counts: NDArray[np.integer], exponent: float) -> NDArray[np.float64]:
    """Weights count ** exponent of items that occur, 0 of others; 0 is uniform, < 0 favours rare.

    Source: Caselles-Dupre, Lesaint, Royo-Letelier 2018 (arXiv 1804.04212).
    """
    weights = np.zeros(len(counts))
    there = counts > 0
    weights[there] = counts[there].astype(np.float64) ** exponent
    return weights


def keep_probability(counts: NDArray[np.integer], threshold: float) -> Vectors:
    """Chance that an occurrence is kept when frequent items are subsampled; threshold 0 keeps all.

    Source: word2vec: (sqrt(f / t) + 1) * t / f with f the share of all occurrences.
    """
    if threshold <= 0:
        return np.ones(len(counts), np.float32)
    share = np.maximum(counts, 1) / max(1, counts.sum())
    keep = np.minimum((np.sqrt(share / threshold) + 1) * threshold / share, 1)
    return np.asarray(keep, np.float32)
