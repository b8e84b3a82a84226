"""What lists are worth beside accuracy: how many items they reach, how popular, how unlike.

rows: int32 [n, k], the list of each case, -1 where it has no more items. events: int64 [n_items],
how often each item was seen in training. A value that is not defined for a case is nan.
"""

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, PerCase, Rows, Vectors
from recembed.data.sequences import Sequences

Counts = NDArray[np.int64]


def coverage(counts: Counts) -> float:
    """Share of the catalogue that is in at least one list. counts: lists each item is in."""
    return float(np.mean(counts > 0))


def gini(counts: Counts) -> float:
    """How unequally the places of all lists fall to the items of the catalogue; nan without any.

    0: all items are listed equally often; near 1: one item has all places.

    Source: Gini 1912, over the sorted counts as in Shani and Gunawardana 2011, section 8.3.3.
    """
    n, total = len(counts), counts.sum()
    if not total:
        return float("nan")
    ranks = np.arange(1, n + 1)
    return float(2 * (ranks * np.sort(counts)).sum() / (n * total) - (n + 1) / n)


def novelty(rows: Rows, events: Counts) -> PerCase:
    """Mean of -log2(share of all training events that are the item's) over the list, in bits.

    An item without events counts as one that has one: what nobody has seen is as new as the rarest.

    Source: Vargas and Castells 2011 (free discovery, every place alike). Others relate an item's
    users to all users instead, which is less by the same number for every item.
    """
    bits = np.log2(max(events.sum(), 1)) - np.log2(np.maximum(events, 1))
    return _mean(rows, bits)


def popularity(rows: Rows, events: Counts) -> PerCase:
    """Mean number of training events of the listed items."""
    return _mean(rows, events)


def popularity_lift(rows: Rows, histories: Sequences, events: Counts) -> PerCase:
    """How much more popular the list is than what its user chose: ratio of the means, less 1.

    histories: a sequence a case, each event of it counts; nan where it holds no item that was
    trained on.

    Source: Abdollahpouri et al. 2019, The unfairness of popularity bias in recommendation.
    """
    own = np.bincount(
        histories.owners(), events[histories.values].astype(np.float64), minlength=len(histories)
    )
    usual = own / np.where(own > 0, histories.sizes, np.nan)
    return popularity(rows, events) / usual - 1


def distance_by_vector(rows: Rows, unit_vectors: Vectors, known: Mask) -> PerCase:
    """Mean of 1 - cosine over all pairs of listed items that have a known vector.

    unit_vectors: float32 [n_items, dim] of length 1; known: bool [n_items]. nan below two items.

    Source: Ziegler et al. 2005 (intra-list similarity).
    """
    from recembed.metrics.kernels import spread_of_vectors

    found = np.full(len(rows), np.nan)
    spread_of_vectors(rows, unit_vectors, known, found)
    return found


def distance_by_category(rows: Rows, categories: Sequences) -> PerCase:
    """Mean of 1 - Jaccard over all pairs of listed items that have categories.

    categories: of each item, every one once. nan below two items that have some.
    """
    from recembed.metrics.kernels import spread_of_sets

    found = np.full(len(rows), np.nan)
    mark = np.full(categories.values.max(initial=0) + 1, -1, np.int64)
    spread_of_sets(rows, categories.values, categories.offsets, mark, found)
    return found


def _mean(rows: Rows, values: NDArray[np.generic]) -> PerCase:
    """Mean of `values` [n_items] over each list, nan where it is empty."""
    listed = rows >= 0
    sizes = np.count_nonzero(listed, axis=1)
    total: PerCase = np.where(listed, values[rows], 0).sum(axis=1, dtype=np.float64)
    return total / np.where(sizes > 0, sizes, np.nan)
