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
    batch = len(queries)
    right = scale * (queries * positives).sum(axis=1)  # [batch]
    wrong = scale * (queries @ negatives.T)  # [batch, n]
    wrong[left_out] = -np.inf
    top = np.maximum(right, wrong.max(axis=1))
    wrong = np.exp(wrong - top[:, None], out=wrong)
    lifted = np.exp(right - top)
    total = wrong.sum(axis=1) + lifted
    loss = float((np.log(total) + top - right).mean(dtype=np.float64))
    pull = (scale / batch * (lifted / total - 1))[:, None]  # [batch, 1]
    wrong *= (scale / batch / total)[:, None]
    return loss, pull * positives + wrong @ negatives, pull * queries, wrong.T @ queries


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
