"""Histories as dense blocks of about one length, so that little of a block is padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows
from recembed.data.interactions import Interactions
from recembed.training.recency import ages
from recembed.training.towers.settings import Mean, Tower, Transformer

STRETCH, SLACK = 1.25, 2  # a block's longest history has at most 1.25 x its shortest + 2 events
GAPS = 34  # 0: nothing before, or nobody knows when; then powers of 2 s, 2^32 are 136 years


@dataclass(frozen=True, eq=False)
class Bucket:
    """Histories [n] of up to `longest` events, the oldest first, the padding last.

    which: of the histories, [n]; at: their first event among all, [n]; lengths [n].
    rows, age (0: the newest event), gap (see GAPS): int64 [n, longest]; padding repeats the newest
    event. weight: float32 [n, longest], 0 in the padding.
    """

    which: NDArray[np.int64]
    at: NDArray[np.int64]
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    age: NDArray[np.int64]
    gap: NDArray[np.int64] | None
    weight: NDArray[np.float32] | None

    @property
    def there(self) -> Mask:
        """Where it is no padding, [n, longest]."""
        return np.arange(self.rows.shape[1]) < self.lengths[:, None]

    @property
    def events(self) -> NDArray[np.int64]:
        """Which of all events stands where, history by history, without the padding."""
        return (self.at[:, None] + np.arange(self.rows.shape[1]))[self.there]


@dataclass(frozen=True, eq=False)
class Histories:
    """Flat events of histories, cut to their newest `reach`; empty ones are in no bucket."""

    events: Interactions
    age: NDArray[np.int64]
    gap: NDArray[np.int64] | None
    weight: NDArray[np.float32] | None
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        events: Interactions,
        reach: int | None,
        *,
        gaps: bool = False,
        weight: NDArray[np.float32] | None = None,
    ) -> "Histories":
        """weight: of each event, where the tower takes it from outside."""
        offsets = events.events.offsets
        lengths = np.diff(offsets)
        if reach is not None:
            lengths = np.minimum(lengths, reach)
        age = ages(events)
        gap = _gaps(events) if gaps else None
        return cls(events, age, gap, weight, offsets[1:] - lengths, lengths)

    @classmethod
    def for_tower(cls, events: Interactions, tower: Tower, reach: int | None) -> "Histories":
        """With what this kind of tower looks at."""
        if isinstance(tower, Mean):
            return cls.of(events, reach, weight=tower.recency.shares(events))
        return cls.of(events, reach, gaps=isinstance(tower, Transformer) and tower.gaps)

    def buckets(self, most: int, *, even: bool = False) -> Iterator[Bucket]:
        """All histories, shortest first; most: events of a block, padding too.

        even: those of a block are of one length, without any padding.
        """
        order = np.argsort(self.lengths, kind="stable")
        lengths = self.lengths[order]
        begin = int(np.searchsorted(lengths, 1))
        while begin < len(order):
            within = int(lengths[begin]) if even else int(lengths[begin] * STRETCH) + SLACK
            end = int(np.searchsorted(lengths, within, side="right"))
            end = max(begin + 1, min(end, begin + most // max(int(lengths[end - 1]), 1)))
            yield self._bucket(order[begin:end])
            begin = end

    def _bucket(self, which: NDArray[np.int64]) -> Bucket:
        starts, lengths = self.starts[which], self.lengths[which]
        last = starts + lengths - 1  # the padding repeats it
        at = np.minimum(starts[:, None] + np.arange(lengths.max()), last[:, None])
        gap = None if self.gap is None else self.gap[at]
        found = Bucket(which, starts, lengths, _wide(self.events.rows[at]), self.age[at], gap, None)
        if self.weight is None:
            return found
        weight = np.where(found.there, self.weight[at], np.float32(0))
        return Bucket(which, starts, lengths, found.rows, found.age, gap, weight)


def _wide(rows: Rows) -> NDArray[np.int64]:
    return rows.astype(np.int64)


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
