"""Whether a difference is more than chance, and what many comparisons do to that."""

import math

import numpy as np
from numpy.typing import NDArray

from recembed.errors import DataError
from recembed.seed import rng

REPEATS = 10_000  # a p of .05 is then known to within .004
KINDS = 2000  # sums that may differ: each costs `repeats` draws, 0.1 ms
SLACK = 1e-9  # of the largest sum there can be: equal sums that were added in another order


def permutation_test(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    clusters: NDArray[np.integer],
    *,
    seed: int,
    repeats: int = REPEATS,
) -> float:
    """Chance of a mean difference at least as large, either way, if a and b were alike.

    a, b: the same cases measured twice, [n]; clusters: whose each case is, [n]. If the two were
    alike, a cluster (a user, a household) might as well have had them the other way round: so the
    sign of each one's summed difference is drawn. p = (1 + as large) / (1 + repeats), never 0.
    A case where either is nan is left out. nan if there is but one cluster.

    Sums of many clusters that all differ are rounded to 9 bits first (by at most 0.2 % each, the
    observed ones too), so that equal ones can be drawn together; the test stays valid, as rounding
    knows no sign.

    Raises: DataError if shapes differ, there is no case or repeats is below 1.
    Source: Phipson and Smyth 2010 (p); Smucker et al. 2007 (the test, for rankings).
    """
    _check(a, b, clusters, repeats)
    names, of = np.unique(clusters, return_inverse=True)
    if len(names) == 1:
        return math.nan
    difference = a - b
    sums = np.bincount(of, np.where(np.isnan(difference), 0, difference)).astype(np.float64)
    if len(np.unique(np.abs(sums))) > KINDS:
        sums = _rounded(sums)
    kinds, frequency = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    generator = rng(seed, "permutation")
    totals = np.zeros(repeats)
    for size, n in zip(kinds, frequency, strict=True):
        totals += size * (2 * generator.binomial(n, 0.5, repeats) - n)
    bar = abs(sums.sum()) - SLACK * np.abs(sums).sum()
    return float(1 + np.count_nonzero(np.abs(totals) >= bar)) / (1 + repeats)


def holm(ps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p of each comparison corrected for having made all of them, [n], at most 1; nan stays.

    Calling those below .05 real is then wrong anywhere in one family of twenty.

    Source: Holm 1979.
    """
    order = np.argsort(ps)
    steps = np.maximum.accumulate(ps[order] * np.arange(len(ps), 0, -1))
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _rounded(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest numbers of 9 significant bits."""
    mantissa, exponent = np.frexp(sums)
    nearest: NDArray[np.float64] = np.ldexp(np.round(mantissa * 512) / 512, exponent)
    return nearest


def _check(
    a: NDArray[np.float64], b: NDArray[np.float64], clusters: NDArray[np.integer], repeats: int
) -> None:
    if a.ndim != 1 or not a.shape == b.shape == clusters.shape:
        raise DataError(
            f"paired values must be of the same cases, not {a.shape}, {b.shape} and "
            f"{clusters.shape} clusters"
        )
    if not len(a):
        raise DataError("there are no cases: nothing to compare")
    if repeats < 1:
        raise DataError(f"repeats must be at least 1, not {repeats}")
