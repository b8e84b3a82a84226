"""How many of the items to be found are in the list, and how high.

Every metric is the value expected over all orders of the items that are level, each as likely, so
that no way to break ties makes a model better or worse.

Source: McSherry and Najork 2008, Computing information retrieval performance measures efficiently
in the presence of tied scores.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import PerCase, run_starts
from recembed.errors import DataError
from recembed.metrics.places import Places

PerTarget: TypeAlias = NDArray[np.float64]
Metric: TypeAlias = Callable[[Places, int], PerCase]


def recall(places: Places, k: int) -> PerCase:
    """Share of the case's targets among the first k, [n_cases].

    The divisor is the number of targets, not min(targets, k): libraries differ, the report states
    it.

    Raises: DataError if a case has no target, or k is below 1 or above places.depth; so all here.
    """
    n_targets = _checked(places, k)
    return _sums(_gains(places, np.arange(k + 1.0)), places) / n_targets


def precision(places: Places, k: int) -> PerCase:
    """Share of the k places that hold a target, [n_cases]; the divisor is k for short lists too."""
    _checked(places, k)
    return _sums(_gains(places, np.arange(k + 1.0)), places) / k


def hit_rate(places: Places, k: int) -> PerCase:
    """Chance that a target is among the first k, [n_cases]; 1 or 0 where nothing is tied.

    Only one group of level items can be cut by k. With r targets among its s items, m of which are
    in the list, all are missed with chance C(s - r, m) / C(s, m): a product over the targets.
    """
    _checked(places, k)
    above, size = _wide(places)
    cut = (above < k) & (above + size > k)
    before = np.cumsum(cut.astype(np.int64)) - cut
    nth = before - np.repeat(before[places.offsets[:-1]], np.diff(places.offsets))
    left = size - nth  # items of the group that the targets before this one leave free
    missed = np.where(cut, np.maximum(left - (k - above), 0) / np.maximum(left, 1), above >= k)
    found: PerCase = 1 - np.multiply.reduceat(missed, places.offsets[:-1])
    return found


def ndcg(places: Places, k: int) -> PerCase:
    """Discounted gain of the first k over that of the best possible list, [n_cases].

    A target at place p (from 1) gains 1 / log2(p + 1); the best list has min(targets, k) of them
    at its head.

    Source: Järvelin and Kekäläinen 2002, with binary gains.
    """
    n_targets = _checked(places, k)
    total = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    best: PerCase = total[np.minimum(n_targets, k)]
    return _sums(_gains(places, total), places) / best


def mrr(places: Places, k: int) -> PerCase:
    """1 / place of the first target among the first k, else 0, [n_cases].

    With r targets among the s items of the first group that has any, the first one is its j-th
    item with chance C(s - j, r - 1) / C(s, r).
    """
    _checked(places, k)
    above, size = _wide(places)
    starts = places.offsets[:-1]
    first = np.minimum.reduceat(above, starts)
    leading = above == np.repeat(first, np.diff(places.offsets))
    r = np.add.reduceat(leading.astype(np.int64), starts)
    s = np.maximum.reduceat(np.where(leading, size, 0), starts)
    found = np.where(first < k, r / s / (first + 1), 0.0)
    at, a, chance, j = np.arange(len(places)), first, r / s, 1
    while (open_ := (a + j < k) & (r + j <= s)).any():
        at, a, r, s, chance = at[open_], a[open_], r[open_], s[open_], chance[open_]
        chance = chance * (s - j - r + 1) / (s - j)
        j += 1
        found[at] += chance / (a + j)
    return found


def average_precision(places: Places, k: int) -> PerCase:
    """Mean of the precision at each target's place, those behind k counting 0, [n_cases].

    The divisor is min(targets, k), so that the best list has 1; RecTools divides by the number of
    targets (or by k).

    A target at the j-th place of a group that begins behind a items and b targets expects
    b + 1 + (j - 1)(r - 1) / (s - 1) targets up to itself, where the group has r among its s items.
    """
    n_targets = _checked(places, k)
    near = np.flatnonzero(places.above < k)
    owner = np.repeat(np.arange(len(places)), n_targets)[near]
    order = np.lexsort((places.above[near], owner))
    owner, near = owner[order], near[order]
    a, s = places.above[near].astype(np.int64), places.tied[near].astype(np.int64)
    starts = run_starts(owner, a)
    sizes = np.diff(starts, append=len(near))
    ahead = np.repeat(starts - np.searchsorted(owner, owner[starts]), sizes)  # b
    mates = np.repeat(sizes, sizes) - 1  # r - 1
    reach = np.minimum(s, k - a)
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, k + 1))])
    inverse = harmonic[a + reach] - harmonic[a]  # sum of 1 / (a + j) over j
    among = mates * (reach - (a + 1) * inverse) / np.maximum(s - 1, 1)
    gains = ((ahead + 1) * inverse + among) / s
    return np.bincount(owner, gains, minlength=len(places)) / np.minimum(n_targets, k)


METRICS: dict[str, Metric] = {
    "recall": recall,
    "ndcg": ndcg,
    "mrr": mrr,
    "hit_rate": hit_rate,
    "precision": precision,
    "map": average_precision,
}


def _checked(places: Places, k: int) -> NDArray[np.int64]:
    """The number of targets of each case, at least 1."""
    if not 1 <= k <= places.depth:
        raise DataError(f"k must be in 1..{places.depth}, as far as the lists reach, not {k}")
    n_targets = np.diff(places.offsets)
    empty = np.count_nonzero(n_targets == 0)
    if empty:
        raise DataError(f"{empty} of {len(places)} cases have no target: leave them out")
    return n_targets


def _wide(places: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`above` and `tied` in 64 bits, where NEVER + tied fits."""
    return places.above.astype(np.int64), places.tied.astype(np.int64)


def _gains(places: Places, total: NDArray[np.float64]) -> PerTarget:
    """Expected gain of each target, where the first p places have `total[p]`, p in 0..k."""
    above, size = _wide(places)
    k = len(total) - 1
    gains: PerTarget = (total[np.minimum(above + size, k)] - total[np.minimum(above, k)]) / size
    return gains


def _sums(values: PerTarget, places: Places) -> PerCase:
    totals: PerCase = np.add.reduceat(values, places.offsets[:-1])
    return totals
