"""How sure a mean is: bootstrap over clusters (users, households), not over their cases."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import PerCase, blocks
from recembed.errors import DataError
from recembed.seed import rng

REPEATS = 2000  # an end of a 95 % interval then stands on 50 resamples
LEVEL = 0.95
BINS = 10_000  # more clusters are put together at random: a width is then known to within 1 %
MEMORY = 1 << 26  # bytes of a block of weights


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its interval; the ends are nan where there is but one cluster.

    All three are nan where there is no case.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if not self.known:
            return f"{self.mean:.4f}"
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    @property
    def known(self) -> bool:
        """Whether there is more than the mean."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0


class Resamples:
    """Clusters drawn with replacement, as many as there are, again and again.

    The draws are made once and serve everything that is measured of the same cases. A resample's
    mean is the sum of its values over the number of its cases (a ratio estimator, as both vary);
    the interval runs between the (1 - level) / 2 quantiles of the resampled means. Of more than
    BINS clusters, equal numbers are put together at random and drawn together.

    Source: Davison and Hinkley 1997, sections 3.8 and 5.3.
    """

    def __init__(
        self,
        clusters: NDArray[np.integer],
        *,
        seed: int,
        repeats: int = REPEATS,
        level: float = LEVEL,
    ) -> None:
        """Clusters [n_cases]: whose each case is.

        Raises: DataError if there is nothing to resample, or repeats or level make no sense.
        """
        if not len(clusters):
            raise DataError("there are no cases: no mean, no interval")
        if repeats < 1 or not 0 < level < 1:
            raise DataError(
                f"repeats must be at least 1 and level in (0, 1), not {repeats}, {level}"
            )
        self.clusters, self.seed = clusters, seed
        names, of = np.unique(clusters, return_inverse=True)
        generator = rng(seed, "bootstrap")
        self.bin = of
        if len(names) > BINS:
            self.bin = (generator.permutation(len(names)) % BINS)[of]
        self.n = min(len(names), BINS)
        self.ends = (1 - level) / 2, (1 + level) / 2
        self.drawn = np.empty((repeats, self.n), np.uint8)  # how often each bin
        for row in self.drawn:
            row[:] = np.bincount(generator.integers(0, self.n, self.n), minlength=self.n)

    def interval(self, values: PerCase, at: NDArray[np.integer] | None = None) -> Interval:
        """Of one column."""
        return self.intervals([values], at)[0]

    def intervals(
        self, columns: Sequence[PerCase], at: NDArray[np.integer] | None = None
    ) -> list[Interval]:
        """Of each column [n_cases], or [len(at)] where only the cases `at` are measured.

        A nan leaves its case out of that column: it counts neither in the sum nor as a case.
        """
        of = self.bin if at is None else self.bin[at]
        wrong = [column.shape for column in columns if column.shape != of.shape]
        if wrong:
            raise DataError(f"values of shape {wrong[0]} do not fit {len(of)} cases")
        tables = np.empty((self.n, 2 * len(columns)))  # sums and sizes of each bin
        for i, column in enumerate(columns):
            there = ~np.isnan(column)
            tables[:, 2 * i] = np.bincount(of, np.where(there, column, 0), self.n)
            tables[:, 2 * i + 1] = np.bincount(of, there, self.n)
        totals = np.empty((len(self.drawn), tables.shape[1]))
        for block in blocks(len(self.drawn), 8 * self.n, MEMORY):
            totals[block] = self.drawn[block].astype(np.float64) @ tables
        with np.errstate(invalid="ignore"):
            means = tables[:, ::2].sum(axis=0) / tables[:, 1::2].sum(axis=0)
            ratios = totals[:, ::2] / totals[:, 1::2]
        known = np.count_nonzero(tables[:, 1::2], axis=0) > 1  # one cluster tells nothing of others
        return [
            Interval(float(mean), *(self._ends(column) if sure else (math.nan, math.nan)))
            for mean, column, sure in zip(means, ratios.T, known, strict=True)
        ]

    def interval_of(self, statistic: Callable[[PerCase], float]) -> Interval:
        """Of any number that is made of cases which count so often, [n_cases]; nan is none."""
        value = statistic(np.ones(len(self.bin)))
        if math.isnan(value) or self.n == 1:
            return Interval(value, math.nan, math.nan)
        resampled = np.array([statistic(row[self.bin].astype(np.float64)) for row in self.drawn])
        return Interval(value, *self._ends(resampled))

    def _ends(self, resampled: PerCase) -> tuple[float, float]:
        """Where `level` of the resampled means lie; nan is a resample without a case."""
        low, high = np.quantile(resampled[~np.isnan(resampled)], self.ends)
        return float(low), float(high)
