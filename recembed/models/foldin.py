"""Users from their histories by least squares: one routine for all factorizations."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recembed.arrays import Vectors, blocks, run_starts
from recembed.errors import DataError
from recembed.protocols import Machine

BATCH = 1 << 24  # bytes of scratch a thread: more gains nothing, and it stays near the caches
LEAST = float(np.finfo(np.float32).eps)  # relative; a direction with less has nothing to say


def on_axes(factors: Vectors) -> Vectors:
    """The same factors [n_items, dim] turned onto their principal axes: no dot product changes.

    Their columns are orthogonal then, which is what `fold_in` needs.

    Raises: LinAlgError if a factor is not finite.
    """
    if not np.isfinite(factors).all():
        raise np.linalg.LinAlgError("factors are not finite")
    wide = factors.astype(np.float64)
    _, axes = np.linalg.eigh(wide.T @ wide)
    return np.ascontiguousarray(wide @ axes[:, ::-1], np.float32)


def spread_of(factors: Vectors) -> NDArray[np.float64]:
    """What all items add to a user's equations along each axis, [dim]."""
    spread: NDArray[np.float64] = np.square(factors).sum(axis=0, dtype=np.float64)
    return spread


def fold_in(
    factors: Vectors,
    spread: NDArray[np.float64],
    histories: sp.csr_matrix,
    wanted: NDArray[np.floating],
    extra: NDArray[np.floating],
    ridge: float | NDArray[np.float64],
    machine: Machine,
) -> Vectors:
    """The x of each user that minimises a quadratic form of their history, [n_users, dim].

    sum (x y)^2 over all items + sum w (x y)^2 - 2 c (x y) over the history + ridge (x x)

    factors float32 [n_items, dim] on their axes: y, and their `spread_of`. histories [n_users,
    n_items] has the pairs; wanted: c and extra: w of each, beside histories.data, w not below -1.
    ridge: one for all, or [n_users].

    On the axes all that no history enters is diagonal: so what is solved is as small as the
    history, where that is shorter than dim (Woodbury's identity).

    Raises: DataError if a user has no answer.
    """
    ridges = np.broadcast_to(ridge, histories.shape[0])
    starts, sizes = histories.indptr[:-1], np.diff(histories.indptr)
    pairs = np.column_stack([wanted, extra]).astype(np.float32)
    users = np.zeros((histories.shape[0], factors.shape[1]), np.float32)

    def solve(batch: NDArray[np.int64]) -> None:
        """Users with histories of one length n."""
        at = starts[batch, None] + np.arange(sizes[batch[0]])  # [batch, n]
        diagonal = spread + ridges[batch, None]  # [batch, dim]
        diagonal = np.maximum(diagonal, LEAST * diagonal.max(axis=1, keepdims=True))
        with np.errstate(all="ignore"):  # what has no answer is told of below
            scale = (1 / np.sqrt(diagonal)).astype(np.float32)
            mine = factors[histories.indices[at]] * scale[:, None, :]  # [batch, n, dim]
            target, weight = np.split(pairs[at], 2, axis=2)  # [batch, n, 1]
            across = mine.swapaxes(1, 2)  # [batch, dim, n]
            if mine.shape[1] <= mine.shape[2]:
                found = across @ np.linalg.solve(_plus_one(weight * (mine @ across)), target)
            else:
                found = np.linalg.solve(_plus_one(across @ (weight * mine)), across @ target)
            users[batch] = found[:, :, 0] * scale

    memory = min(machine.memory // (2 * machine.threads), BATCH)
    try:
        with (
            threadpool_limits(1, "blas"),  # the matrices are small: a user is one thread's work
            ThreadPoolExecutor(machine.threads) as pool,
        ):
            list(pool.map(solve, _batches(sizes, factors.shape[1], memory)))
    except np.linalg.LinAlgError as error:
        raise _unsolvable() from error
    if not np.isfinite(users).all():
        raise _unsolvable()
    return users


def _batches(sizes: NDArray[np.integer], dim: int, memory: int) -> Iterator[NDArray[np.int64]]:
    """Users with equally long histories, and not none, as many as fit."""
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    starts = run_starts(sizes[order])
    for start, end in pairwise([*starts, len(order)]):
        n = int(sizes[order[start]])
        for block in blocks(end - start, 4 * (3 * n * dim + 2 * min(n, dim) ** 2), memory):
            yield order[start:end][block]


def _plus_one(matrices: Vectors) -> Vectors:
    """Adds 1 to the diagonal of each [batch, m, m], in place."""
    at = np.arange(matrices.shape[1])
    matrices[:, at, at] += 1
    return matrices


def _unsolvable() -> DataError:
    return DataError(
        "the least squares that place a user have no answer: set regularization higher"
    )
