"""Negatives that all positions of a batch share, and how many of each are expected."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recembed.training.towers.settings import InBatch, Loss, SampledSoftmax


@dataclass(frozen=True, eq=False)
class Drawn:
    """rows int64 [m] of the negatives; correction float32 [m]: what each logit is raised by."""

    rows: NDArray[np.int64]
    correction: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Negatives:
    """A mixture of items alike, items by events ** exponent, and the batch's own targets.

    shares: of the three, they sum up to 1. size: how many a batch; None: the batch's targets, once
    each. likely, spread float64 [n_items]: chance of each item by events ** exponent and by events.
    """

    size: int | None
    shares: tuple[float, float, float]
    likely: NDArray[np.float64]
    spread: NDArray[np.float64]
    correct: bool

    @classmethod
    def of(cls, loss: Loss, counts: NDArray[np.int64]) -> "Negatives | None":
        """What a loss draws from items with these events; None where it shares no negatives."""
        if isinstance(loss, InBatch):
            return cls(None, (0.0, 0.0, 1.0), _share(counts), _share(counts), loss.correct)
        if isinstance(loss, SampledSoftmax):
            uniform = max(0.0, 1 - loss.popular - loss.batch)
            shares = (uniform, loss.popular, loss.batch)
            likely = _share(counts.astype(np.float64) ** loss.exponent)
            return cls(loss.negatives, shares, likely, _share(counts), loss.correct)
        return None

    def draw(self, targets: NDArray[np.int64], random: np.random.Generator) -> Drawn:
        """For a batch with these targets."""
        if self.size is None:
            rows, times = np.unique(targets, return_counts=True)
            if not self.correct:
                return Drawn(rows, np.log(times).astype(np.float32))
            expected = len(targets) * self.spread[rows]
            return Drawn(rows, np.log(times / expected).astype(np.float32))
        uniform, popular, batch = random.multinomial(self.size, self.shares)
        n_items = len(self.likely)
        rows = np.concatenate(
            [
                random.integers(0, n_items, uniform),
                np.searchsorted(self._steps, random.random(popular), side="right"),
                random.choice(targets, batch),
            ]
        ).clip(0, n_items - 1)
        if not self.correct:
            return Drawn(rows, None)
        chance = (
            self.shares[0] / n_items
            + self.shares[1] * self.likely[rows]
            + self.shares[2] * self.spread[rows]
        )
        return Drawn(rows, -np.log(self.size * chance).astype(np.float32))

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.cumsum(self.likely)


def _share(weights: NDArray[np.generic]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = weights / weights.sum()
    return share
