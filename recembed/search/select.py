"""Top-k of dense scores: masks, the best k of every row, and ties broken by the smaller row."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors, blocks
from recembed.data.sequences import Sequences
from recembed.errors import DataError, first
from recembed.protocols import TopK

Places = NDArray[np.int64]

GROUP = 32  # scores that share one maximum: 70,000 scores shrink to 2,187 that can hold the k-th
MANY = 256  # queries from which on loading compiled code pays: NumPy takes 0.1 ms for each
BLOCK = 1 << 26  # bytes of scores at a time: more gains nothing, and they stay near the caches
LOWEST = float(np.finfo(np.float32).min)


def select(scores: Vectors, k: int, *, compiled: bool = False) -> TopK:
    """The best min(k, n) of each row of `scores` [b, n]; -inf marks what is not eligible.

    Higher scores first, equal scores by smaller row, at the k-th place too. `scores` is not kept.
    compiled: whether by the kernel, which gives the same answer and is quicker once it is loaded.

    Raises: DataError if k is below 1 or a score is NaN.
    """
    k = clipped(k, scores.shape[1])
    if scores.size and np.isnan(scores.max()):
        wrong = np.flatnonzero(np.isnan(scores).any(axis=1))
        raise DataError(
            f"{len(wrong)} of {len(scores)} queries have scores that are NaN, first: "
            f"{first(wrong.tolist())}: look for NaN in the vectors, or train with a lower "
            "learning rate"
        )
    top = empty_top(len(scores), k)
    if k and compiled:
        from recembed.search.kernels import select as kernel

        kernel()(np.ascontiguousarray(scores, np.float32), top.rows, top.scores, top.tied)
        return top
    for i, row in enumerate(scores if k else ()):
        places, top.tied[i] = best(row, k)
        top.rows[i, : len(places)] = places
        top.scores[i, : len(places)] = row[places]
    return top


def rank(
    score_block: Callable[[slice], Vectors],
    n_queries: int,
    k: int,
    *,
    known: Mask,
    exclude: Sequences | None = None,
    allow: Mask | Sequences | None = None,
    memory: int = 1 << 30,
) -> TopK:
    """Top-k of a model that scores densely, over blocks of queries within `memory` bytes.

    score_block: float32 [len(block), n] that may be overwritten. known bool [n]. exclude, allow:
    one sequence of rows a query; allow may also be a mask [n] for all. k is clipped to n.

    Raises: DataError if k is below 1, a score is NaN, or the filters do not fit.
    """
    n = len(known)
    k = clipped(k, n)
    check_filters(exclude, allow, n_queries, n)
    parts = []
    for block in blocks(n_queries, 8 * n, min(memory, BLOCK)):  # scores and a model's own scratch
        scores = score_block(block)
        hide(scores, block, known, exclude, allow)
        parts.append(select(scores, k, compiled=n_queries >= MANY))
    return joined(parts, k)


def hide(
    scores: Vectors,
    block: slice,
    known: Mask | None,
    exclude: Sequences | None,
    allow: Mask | Sequences | None,
) -> None:
    """Set the scores [len(block), n] of everything that is not eligible to -inf, in place."""
    queries = np.arange(block.start, block.stop)
    if isinstance(allow, Sequences):
        lists = allow.take(queries)
        at = lists.owners(), lists.values
        kept = scores[at]
        scores.fill(-np.inf)
        scores[at] = kept
    elif allow is not None:
        known = allow if known is None else known & allow
    if known is not None and not known.all():
        scores[:, np.flatnonzero(~known)] = -np.inf  # 5x the speed of a masked copy
    if exclude is not None:
        lists = exclude.take(queries)
        scores[lists.owners(), lists.values] = -np.inf


def best(row: Vectors, k: int) -> tuple[Places, int]:
    """Places of the best k of one row [n], best first, and how many equal the last one's score."""
    bound = lower_bound(row, k)
    above = np.flatnonzero(row > bound)
    if len(above) < k and bound > -np.inf:  # so the k-th score is the bound itself
        equal = row == bound
        above = above[np.argsort(-row[above], kind="stable")]
        return np.append(above, first_true(equal, k - len(above))), int(np.count_nonzero(equal))
    values = row[above]
    order = np.argsort(-values, kind="stable")[:k]
    tied = int(np.count_nonzero(values == values[order[-1]])) if len(order) else 0
    return above[order], tied


def lower_bound(row: Vectors, k: int) -> np.float32:
    """A score that at least k of the row [n] reach: the k-th highest of maxima of groups.

    Quick because it reads the row once, where a partition of the whole row moves it several times.
    """
    group = max(1, min(GROUP, len(row) // (4 * k)))
    width = len(row) // group
    if width < k:
        return np.float32(-np.inf)
    maxima = row[: group * width].reshape(group, width).max(axis=0)
    return np.partition(maxima, width - k)[width - k]  # type: ignore[no-any-return]


def first_true(mask: Mask, count: int) -> Places:
    """The first `count` places where mask is true; cheap where they come early."""
    end = 1024
    while end < len(mask) and np.count_nonzero(mask[:end]) < count:
        end *= 4
    return np.flatnonzero(mask[:end])[:count]


def best_pairs(owners: Places, rows: Places, scores: Vectors, n_queries: int, k: int) -> TopK:
    """Top-k of (query, row, score) triples, each pair of query and row at most once.

    `tied` counts among the triples: it is right where they hold everything that reaches the k-th.
    """
    top = empty_top(n_queries, k)
    order = np.lexsort((rows, -scores, owners))
    owners, rows, scores = owners[order], rows[order], scores[order]
    sizes = np.bincount(owners, minlength=n_queries)
    rank = np.arange(len(owners)) - (np.cumsum(sizes) - sizes)[owners]
    listed = rank < k
    top.rows[owners[listed], rank[listed]] = rows[listed]
    top.scores[owners[listed], rank[listed]] = scores[listed]
    lowest = np.where(top.rows >= 0, top.scores, np.inf).min(axis=1, initial=np.inf)
    top.tied[:] = np.bincount(owners[scores == lowest[owners]], minlength=n_queries)
    return top


def empty_top(n_queries: int, k: int) -> TopK:
    """Lists that hold nothing yet."""
    return TopK(
        rows=np.full((n_queries, k), -1, np.int32),
        scores=np.full((n_queries, k), -np.inf, np.float32),
        tied=np.zeros(n_queries, np.int32),
    )


def unfilled_top(n_queries: int, k: int) -> TopK:
    """Lists that are going to be written, every entry of them."""
    return TopK(
        rows=np.empty((n_queries, k), np.int32),
        scores=np.empty((n_queries, k), np.float32),
        tied=np.empty(n_queries, np.int32),
    )


def joined(parts: list[TopK], k: int) -> TopK:
    """The lists of all parts, one after another."""
    if len(parts) == 1:
        return parts[0]
    parts = parts or [empty_top(0, k)]
    return TopK(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.tied for part in parts]),
    )


def clipped(k: int, n: int) -> int:
    """The length of lists over a catalogue of n: k, or n where k is longer.

    Raises: DataError if k is below 1.
    """
    if k < 1:
        raise DataError(f"k must be at least 1, not {k}")
    return min(int(k), n)


def check_filters(
    exclude: Sequences | None, allow: Mask | Sequences | None, n_queries: int, n: int
) -> None:
    """Raise DataError unless the filters have one sequence a query, of rows 0..n-1, or a mask."""
    for name, lists in (("exclude", exclude), ("allow", allow)):
        if isinstance(lists, Sequences):
            _check_lists(name, lists, n_queries, n)
        elif lists is not None and (lists.shape != (n,) or lists.dtype != np.bool_):
            raise DataError(
                f"an {name} mask is bool [{n}], one value an item, not {lists.dtype} "
                f"{list(lists.shape)}"
            )


def _check_lists(name: str, lists: Sequences, n_queries: int, n: int) -> None:
    if len(lists) != n_queries:
        raise DataError(
            f"{name} needs one list a query: {n_queries} queries came with {len(lists)} lists"
        )
    rows: Rows = lists.values
    if rows.min(initial=0) < 0 or rows.max(initial=-1) >= n:
        wrong = rows[(rows < 0) | (rows >= n)]
        raise DataError(
            f"{len(wrong)} of {len(rows)} rows to {name} are outside 0..{n - 1}, first: "
            f"{first(wrong[:4].tolist())}: leave out what the vocabulary does not know"
        )
