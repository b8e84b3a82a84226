"""Is an approximate index good enough? Asked with the run's own users, against exact search."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import Index, TopK


@dataclass(frozen=True)
class Audit:
    """recall: share of the exact top k that the index lists. build_seconds, bytes: its price."""

    recall: float
    k: int
    queries: int
    queries_per_second: float
    exact_queries_per_second: float
    build_seconds: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, eq=False)
class Truth:
    """What exact search lists for queries [q, dim], none of zeros, and the seconds it took.

    exclude: rows that each query may not list, as where items of a history do not come back.
    """

    queries: Vectors
    k: int
    exclude: Sequences | None
    top: TopK
    seconds: float

    @classmethod
    def of(
        cls, exact: Index, queries: Vectors, k: int = 10, exclude: Sequences | None = None
    ) -> "Truth":
        """Queries of zeros are left out. Raises: DataError if no query is left."""
        rows = placed(queries)
        queries, exclude = queries[rows], exclude and exclude.take(rows)
        exact.search(queries, k)  # what is compiled is loaded before the clock runs
        return cls(queries, k, exclude, *_timed(exact, queries, k, exclude))


def audit(index: Index, truth: Truth, *, build_seconds: float = 0.0, bytes: int = 0) -> Audit:
    """Recall and speed of `index` on the queries of `truth`.

    A listed item whose score reaches the exact k-th counts as found: which of equal items are
    listed does not matter.
    """
    found, seconds = _timed(index, truth.queries, truth.k, truth.exclude)
    n = len(truth.queries)
    return Audit(
        recall=recall(found, truth.top),
        k=truth.k,
        queries=n,
        queries_per_second=n / seconds,
        exact_queries_per_second=n / truth.seconds,
        build_seconds=build_seconds,
        bytes=bytes,
    )


def recall(found: TopK, truth: TopK) -> float:
    """Share of the exact lists that was found, over all queries; 1 where there is nothing."""
    listed = truth.rows >= 0
    kth = np.where(listed, truth.scores, np.inf).min(axis=1, initial=np.inf)
    hits = (found.rows >= 0) & (found.scores >= kth[:, None])
    return float(hits.sum() / listed.sum()) if listed.any() else 1.0


def placed(queries: Vectors) -> NDArray[np.int64]:
    """Which queries are not all zeros, ascending.

    Raises: DataError if there are none.
    """
    left = np.flatnonzero((queries != 0).any(axis=1))
    if len(left):
        return left
    raise DataError(
        f"an audit needs user vectors, but all of the {len(queries)} are zeros: "
        "audit with users whose items were trained"
    )


def _timed(index: Index, queries: Vectors, k: int, exclude: Sequences | None) -> tuple[TopK, float]:
    begin = time.perf_counter()
    top = index.search(queries, k, exclude=exclude)
    return top, max(time.perf_counter() - begin, 1e-9)
