"""A content head: the vector that a model would have learned of an item, told from its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors, blocks, unit
from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.search.exact import ExactIndex

RIDGES = tuple(float(ridge) for ridge in 10.0 ** np.arange(-3, 3.5, 0.5))  # of the mean variance
LOOKED_AT = 1 << 15  # rows that the ridge is chosen by
MEMORY = 1 << 27  # bytes of float64 at a time
TINY = 1e-30
LITTLE = 0.005  # share explained that is told as 0 %
# On Amazon Beauty, 10 to 100 near items weighted 5 to 20 times as sharply did about as well.
NEAR, SHARPNESS = 30, 10.0
# As long as the shorter of trained vectors, which mostly are of rarely seen items: on Amazon Beauty
# cold items come into the lists then, which are as good as without them or better.
SHORT = 0.25


def nearest(texts: Vectors, of: Vectors, machine: Machine = THIS_MACHINE) -> sp.csr_matrix:
    """Weights of the NEAR rows of `of` [n, d] that are most like each text [m, d], float32 [m, n].

    They rise with the cosine, and add up to 1.
    """
    known = Embeddings(Vocabulary.numbered(len(of)), of, np.ones(len(of), np.bool_), "cosine")
    top = ExactIndex(known, machine).search(texts, NEAR)
    there = top.rows >= 0
    weights = np.exp(SHARPNESS * (top.scores - top.scores[:, :1]))  # -inf past the end: 0
    weights /= weights.sum(axis=1, keepdims=True)
    offsets = np.append(0, np.cumsum(there.sum(axis=1)))
    return sp.csr_matrix((weights[there], top.rows[there], offsets), shape=(len(texts), len(of)))


@dataclass(frozen=True, eq=False)
class ContentHead:
    """A ridge regression, and what it leaves of items that read alike.

    mean [d], weights [d, dim], offset [dim]. length: of what is placed. ridge: the one that was
    chosen of RIDGES. explained: share of the variance of vectors that it tells of rows that are
    left out, 0..1.
    """

    mean: Vectors
    weights: Vectors
    offset: Vectors
    length: float
    ridge: float
    explained: float

    @property
    def tells(self) -> bool:
        """Whether texts tell anything worth a word; the strongest ridge says almost the mean."""
        return self.explained >= LITTLE and self.ridge < RIDGES[-1]

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return len(self.offset)

    @classmethod
    def of(cls, texts: Vectors, vectors: Vectors) -> "ContentHead":
        """Learn what vectors [n, dim] have to do with those of texts [n, d].

        The ridge is the one by which rows are best told from all the others. Source: leave-one-out
        in closed form, Hastie, Tibshirani, Friedman 2009, equation 7.64.
        """
        mean, offset = (each.mean(axis=0, dtype=np.float64) for each in (texts, vectors))
        square, cross = np.zeros((len(mean), len(mean))), np.zeros((len(mean), len(offset)))
        for block in blocks(len(texts), 8 * (len(mean) + len(offset)), MEMORY):
            wide = texts[block] - mean
            square += wide.T @ wide
            cross += wide.T @ (vectors[block] - offset)
        spread, axes = np.linalg.eigh(square)
        spread, cross = np.maximum(spread, 0), axes.T @ cross
        mean_spread = max(float(spread.mean()), TINY)
        some = slice(None, None, -(-len(texts) // LOOKED_AT))
        turned, wanted = (texts[some] - mean) @ axes, vectors[some] - offset
        own = np.square(turned)
        losses = []
        for ridge in RIDGES:
            shrunk = 1 / (spread + ridge * mean_spread)
            leverage = own @ shrunk + 1 / len(texts)  # of each row; the offset has 1 / n
            left = wanted - turned @ (shrunk[:, None] * cross)
            losses.append(np.square(left / (1 - leverage)[:, None]).sum())
        ridge = RIDGES[int(np.argmin(losses))]
        of_mean = np.square(wanted * (len(texts) / (len(texts) - 1))).sum()  # each left out, too
        explained = max(0.0, 1 - float(min(losses)) / max(float(of_mean), TINY))
        weights = axes @ (cross / (spread + ridge * mean_spread)[:, None])
        length = float(np.quantile(np.linalg.norm(vectors, axis=1), SHORT))
        return cls(_narrow(mean), _narrow(weights), _narrow(offset), length, ridge, explained)

    def told(self, texts: Vectors) -> Vectors:
        """What the regression says, [n, dim]."""
        return _narrow((texts - self.mean) @ self.weights + self.offset)

    def placed(
        self, texts: Vectors, near: sp.csr_matrix, trained: Vectors, vectors: Vectors
    ) -> Vectors:
        """Where texts [m, d] are put, [m, dim].

        near [m, n]: weights of trained items, their texts [n, d] and vectors [n, dim].
        """
        used = np.unique(near.indices)
        left = vectors[used] - self.told(trained[used])
        return unit(self.told(texts) + near[:, used] @ left) * np.float32(self.length)

    def arrays(self) -> Arrays:
        return {
            "mean": self.mean,
            "weights": self.weights,
            "offset": self.offset,
            "chosen": np.array([self.length, self.ridge]),
            "explained": np.array(self.explained),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> "ContentHead":
        """From `arrays()`."""
        length, ridge = arrays["chosen"].tolist()
        explained = float(arrays["explained"])
        return cls(arrays["mean"], arrays["weights"], arrays["offset"], length, ridge, explained)


def _narrow(numbers: NDArray[np.floating]) -> Vectors:
    return numbers.astype(np.float32)
