"""Losses of pairs and what is drawn against them, with their gradients: plain functions of arrays.

queries float32 [batch, dim] are the users of the pairs, positives [batch, dim] their items. A
gradient is of the mean over the batch.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors, unit

Gradients: TypeAlias = tuple[float, Vectors, Vectors, Vectors]  # the loss; of each of the vectors


def softmax(
    queries: Vectors, positives: Vectors, negatives: Vectors, left_out: Mask, temperature: float
) -> Gradients:
    """Cross-entropy of dot products / temperature. negatives [n, dim], left_out [batch, n]."""
    scale = np.float32(1 / temperature)
    scaled = scale * queries
    right = (scaled * positives).sum(axis=1)  # [batch]
    wrong = scaled @ negatives.T  # [batch, n]: large, so all that follows is done in place
    wrong[left_out] = -np.inf
    top = np.maximum(right, wrong.max(axis=1))
    wrong -= top[:, None]
    np.exp(wrong, out=wrong)
    lifted = np.exp(right - top)
    others = wrong.sum(axis=1)
    total = others + lifted
    loss = float((np.log(total) + top - right).mean(dtype=np.float64))
    share = (scale / len(queries) / total)[:, None]  # [batch, 1]
    pull = -share * others[:, None]
    pushed = share * (wrong @ negatives)
    return loss, pull * positives + pushed, pull * queries, wrong.T @ (share * queries)


def bpr(queries: Vectors, positives: Vectors, negatives: Vectors, left_out: Mask) -> Gradients:
    """-log sigmoid of how far a pair scores above its negative; negatives [batch, dim]."""
    apart = positives - negatives
    margin = (queries * apart).sum(axis=1)
    loss = np.logaddexp(0, -margin)
    pull: Vectors = -np.exp(-margin - loss)[:, None] / np.float32(len(queries))  # [batch, 1]
    pull[left_out] = 0
    mean = float(np.where(left_out, 0, loss).mean(dtype=np.float64))
    return mean, pull * apart, pull * queries, -pull * queries


def through_unit(vectors: Vectors, gradient: Vectors) -> Vectors:
    """The gradient of vectors [n, dim] from that of the same vectors at length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    ends = unit(vectors)
    along = (ends * gradient).sum(axis=1, keepdims=True)
    turned: NDArray[Any] = (gradient - along * ends) / np.where(lengths > 0, lengths, 1)
    return turned.astype(np.float32)
