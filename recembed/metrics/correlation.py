"""How alike two columns put their cases, where a case may count more than once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import PerCase


@dataclass(frozen=True, eq=False)
class Correlation:
    """first, second: float64 [n_cases]. weights [n_cases]: how often a case counts; None: once.

    Both methods are nan where a column has but one value among the cases that count.
    """

    first: PerCase
    second: PerCase

    def pearson(self, weights: PerCase | None = None) -> float:
        """Linear correlation."""
        return _pearson(self.first, self.second, weights)

    def spearman(self, weights: PerCase | None = None) -> float:
        """Correlation of places; equal values have the mean of theirs."""
        first, second = (_places(codes, weights) for codes in self._codes)
        return _pearson(first, second, weights)

    @cached_property
    def _codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each value's number in the order of the values: sorted once for all weights."""
        first, second = (
            np.unique(column, return_inverse=True)[1] for column in (self.first, self.second)
        )
        return first, second


def _places(codes: NDArray[np.int64], weights: PerCase | None) -> PerCase:
    sizes = np.bincount(codes, weights)
    places: PerCase = (np.cumsum(sizes) - sizes / 2)[codes]
    return places


def _pearson(first: PerCase, second: PerCase, weights: PerCase | None) -> float:
    counted = np.ones(len(first)) if weights is None else weights
    there = counted > 0
    if _constant(first[there]) or _constant(second[there]):
        return float("nan")
    x = first - counted @ first / counted.sum()
    y = second - counted @ second / counted.sum()
    scale = np.sqrt((counted @ x**2) * (counted @ y**2))
    return float(counted @ (x * y) / scale) if scale > 0 else float("nan")


def _constant(values: PerCase) -> bool:
    return len(values) == 0 or bool((values == values[0]).all())
