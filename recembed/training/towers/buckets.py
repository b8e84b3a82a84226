"""Histories with what towers look at, and as dense blocks of about one length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.data.interactions import Interactions
from recembed.training.buckets import Bucket, buckets
from recembed.training.recency import ages
from recembed.training.towers.settings import Mean, Tower, Transformer

GAPS = 34  # 0: nothing before, or nobody knows when; then powers of 2 s, 2^32 are 136 years


@dataclass(frozen=True, eq=False)
class Histories:
    """Events of histories one after the other, and what towers look at beside their items, [n].

    age int64: 0 is the newest event. gap int64: see GAPS. weight float32: in the history's mean.
    """

    events: Interactions
    age: NDArray[np.int64]
    gap: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, events: Interactions, tower: Tower) -> "Histories":
        """With what this kind of tower looks at."""
        if isinstance(tower, Mean):
            return cls(events, ages(events), weight=tower.recency.shares(events))
        gaps = isinstance(tower, Transformer) and tower.gaps
        return cls(events, ages(events), gap=_gaps(events) if gaps else None)

    def buckets(self, most: int, *, even: bool = False) -> Iterator[Bucket]:
        """All histories but empty ones, shortest first; most: events of a block, padding too.

        even: those of a block are of one length, without any padding.
        """
        return buckets(self.events.events.offsets, most, even=even)


def _gaps(events: Interactions) -> NDArray[np.int64]:
    """Seconds since the event before, as powers of 2; see GAPS."""
    if events.time is None:  # somebody's history alone, or a basket on top: training had times
        return np.zeros(len(events), np.int64)
    since = np.diff(events.time, prepend=events.time[:1]).clip(0)
    power = np.floor(np.log2(since + 1)).astype(np.int64) + 1
    first = events.events.offsets[:-1]
    power[first[first < len(power)]] = 0
    gaps: NDArray[np.int64] = power.clip(0, GAPS - 1)
    return gaps
