"""How sure a mean is: bootstrap over clusters (users, households), not over their cases."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import blocks
from recembed.errors import DataError
from recembed.seed import rng

REPEATS = 2000  # an end of a 95 % interval then stands on 50 resamples
LEVEL = 0.95
MEMORY = 1 << 26  # bytes for draws and weights together


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its interval; the ends are nan where there is but one cluster.

    All three are nan where there is no case.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    @property
    def known(self) -> bool:
        """Whether there is more than the mean."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0


def bootstrap(
    values: NDArray[np.float64],
    clusters: NDArray[np.integer],
    *,
    seed: int,
    repeats: int = REPEATS,
    level: float = LEVEL,
) -> Interval:
    """Mean of values [n] with a percentile interval; `clusters` [n] says whose each value is."""
    return bootstrap_columns(values[:, None], clusters, seed=seed, repeats=repeats, level=level)[0]


def paired_difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    clusters: NDArray[np.integer],
    *,
    seed: int,
    repeats: int = REPEATS,
    level: float = LEVEL,
) -> Interval:
    """Mean of a - b over the same cases, with its interval: both see the same resamples."""
    if a.shape != b.shape:
        raise DataError(f"paired values must be of the same cases, not {a.shape} and {b.shape}")
    return bootstrap(a - b, clusters, seed=seed, repeats=repeats, level=level)


def bootstrap_columns(
    values: NDArray[np.float64],
    clusters: NDArray[np.integer],
    *,
    seed: int,
    repeats: int = REPEATS,
    level: float = LEVEL,
) -> list[Interval]:
    """The interval of each column of values [n, m], all from the same resamples.

    A nan leaves its case out of that column: it counts neither in the sum nor as a case. As many
    clusters as there are get drawn with replacement, each with all its cases; a resample's mean is
    the sum of its values over the number of its cases (a ratio estimator, as both vary).
    The interval runs between the (1 - level) / 2 quantiles of the resampled means.

    Raises: DataError if there is nothing to resample, or repeats or level make no sense.
    Source: Davison and Hinkley 1997, sections 3.8 and 5.3.
    """
    _check(values, clusters, repeats, level)
    _, of = np.unique(clusters, return_inverse=True)
    missing = np.isnan(values)
    partial = missing.any(axis=0)
    counts = [np.bincount(of), *(np.bincount(of, ~column) for column in missing.T[partial])]
    sizes = np.stack(counts, axis=1).astype(np.float64)  # [n, 1 + partial columns]
    size = np.where(partial, np.cumsum(partial), 0)  # which of the sizes a column has, [m]
    sums = np.stack(
        [np.bincount(of, column, len(sizes)) for column in np.where(missing, 0, values).T], axis=1
    )  # [n, m]
    totals = _resampled(np.column_stack([sums, sizes]), seed, repeats)
    m = values.shape[1]
    with np.errstate(invalid="ignore"):
        means = sums.sum(axis=0) / sizes.sum(axis=0)[size]
        ratios = totals[:, :m] / totals[:, m:][:, size]
    known = np.count_nonzero(sizes, axis=0)[size] > 1  # a cluster alone tells nothing of others
    ends = [
        _ends(column, level) if sure else (math.nan, math.nan)
        for column, sure in zip(ratios.T, known, strict=True)
    ]
    return [Interval(float(mean), *both) for mean, both in zip(means, ends, strict=True)]


def _resampled(rows: NDArray[np.float64], seed: int, repeats: int) -> NDArray[np.float64]:
    """Sums over as many of the rows [n, m] as there are, drawn with replacement, [repeats, m]."""
    kinds, frequency = _distinct(rows)
    generator = rng(seed, "bootstrap")
    totals = np.empty((repeats, rows.shape[1]))
    for block in blocks(repeats, 16 * len(kinds), MEMORY):
        drawn = generator.multinomial(
            len(rows), frequency / len(rows), size=block.stop - block.start
        )
        totals[block] = drawn.astype(np.float64) @ kinds
    return totals


def _ends(resampled: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Where `level` of the resampled means lie; nan is a resample without a case."""
    told = resampled[~np.isnan(resampled)]
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _distinct(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows that differ, and how often each is there.

    Clusters with the same sums and size are the same to a resample, so it draws how many of each
    kind: of a million users with one target there are but k + 1 kinds.
    """
    whole = np.ascontiguousarray(rows).view(f"V{rows.shape[1] * rows.itemsize}").ravel()
    kinds, frequency = np.unique(whole, return_counts=True)
    return kinds.view(np.float64).reshape(len(kinds), -1), frequency


def _check(
    values: NDArray[np.float64], clusters: NDArray[np.integer], repeats: int, level: float
) -> None:
    if values.ndim != 2 or len(values) != len(clusters):
        raise DataError(f"values of shape {values.shape} do not fit {len(clusters)} clusters")
    if len(values) == 0:
        raise DataError("there are no cases: no mean, no interval")
    if repeats < 1 or not 0 < level < 1:
        raise DataError(f"repeats must be at least 1 and level in (0, 1), not {repeats}, {level}")
