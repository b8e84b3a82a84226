"""How many of the items to be found are in the list, and how high."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows
from recembed.data.sequences import Sequences
from recembed.errors import DataError

PerCase: TypeAlias = NDArray[np.float64]
Metric: TypeAlias = Callable[[Mask, NDArray[np.int64], int], PerCase]


def hits_of(rows: Rows, targets: Sequences) -> Mask:
    """Whether each listed row is a target of its own case, [n, K]; -1 never is.

    rows: int32 [n, K]. targets: one sequence a case.
    """
    if rows.ndim != 2 or len(rows) != len(targets):
        raise DataError(f"lists of shape {rows.shape} do not fit {len(targets)} target sets")
    case = np.arange(len(rows), dtype=np.int64)[:, None]
    width = 1 + max(rows.max(initial=0), targets.values.max(initial=0))
    wanted = np.sort(targets.owners() * np.int64(width) + targets.values)
    if len(wanted) == 0:
        return np.zeros(rows.shape, np.bool_)
    keys = case * width + rows
    at = np.searchsorted(wanted, keys)
    found: Mask = (wanted[np.minimum(at, len(wanted) - 1)] == keys) & (rows >= 0)
    return found


def recall(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> PerCase:
    """Share of the case's relevant items among the first k, [n].

    hits: bool [n, K]. n_relevant: int64 [n], at least 1. The divisor is n_relevant, not
    min(n_relevant, k): libraries differ, the report states it.

    Raises: DataError if a case has no relevant item or k is below 1.
    """
    shares: PerCase = _head(hits, n_relevant, k).sum(axis=1) / n_relevant
    return shares


def precision(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> PerCase:
    """Share of the k places that hold a relevant item, [n]; the divisor is k for short lists too.

    Raises: DataError if a case has no relevant item or k is below 1.
    """
    shares: PerCase = _head(hits, n_relevant, k).sum(axis=1) / k
    return shares


def hit_rate(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> PerCase:
    """1 where a relevant item is among the first k, else 0, [n].

    Raises: DataError if a case has no relevant item or k is below 1.
    """
    found: PerCase = np.any(_head(hits, n_relevant, k), axis=1).astype(np.float64)
    return found


def ndcg(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> PerCase:
    """Discounted gain of the first k over that of the best possible list, [n].

    A relevant item at place p (from 1) gains 1 / log2(p + 1); the best list has
    min(n_relevant, k) of them at its head.

    Raises: DataError if a case has no relevant item or k is below 1.
    Source: Järvelin and Kekäläinen 2002, with binary gains.
    """
    head = _head(hits, n_relevant, k)
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gains)[np.minimum(n_relevant, k) - 1]
    shares: PerCase = (head @ gains[: head.shape[1]]) / ideal
    return shares


def mrr(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> PerCase:
    """1 / place of the first relevant item among the first k, else 0, [n].

    Raises: DataError if a case has no relevant item or k is below 1.
    """
    places = first_places(_head(hits, n_relevant, k))
    return np.where(places > 0, 1 / np.abs(places), 0.0)


def first_places(hits: Mask) -> Rows:
    """Place of the first hit, from 1; -1 where there is none, [n]."""
    if hits.shape[1] == 0:
        return np.full(len(hits), -1, np.int32)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, -1).astype(np.int32)


def _head(hits: Mask, n_relevant: NDArray[np.int64], k: int) -> Mask:
    if k < 1:
        raise DataError(f"k must be at least 1, not {k}")
    if len(hits) != len(n_relevant):
        raise DataError(f"{len(hits)} lists but {len(n_relevant)} counts of relevant items")
    empty = np.count_nonzero(n_relevant < 1)
    if empty:
        raise DataError(f"{empty} of {len(n_relevant)} cases have no relevant item: leave them out")
    return hits[:, :k]


METRICS: dict[str, Metric] = {
    "recall": recall,
    "ndcg": ndcg,
    "mrr": mrr,
    "hit_rate": hit_rate,
    "precision": precision,
}
