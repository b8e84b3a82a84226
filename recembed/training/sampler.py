"""Drawing rows from any discrete distribution in constant time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors


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
        n = len(weights)
        scaled = weights.astype(np.float64) * (n / weights.sum(dtype=np.float64))
        keep, other = np.ones(n), np.arange(n, dtype=np.int32)
        small = list(np.flatnonzero(scaled < 1))
        large = list(np.flatnonzero(scaled >= 1))
        while small and large:
            low, high = small.pop(), large[-1]
            keep[low], other[low] = scaled[low], high
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1:
                small.append(large.pop())
        return cls(keep.astype(np.float32), other)


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
