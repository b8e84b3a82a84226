"""Sequences as dense blocks of about one length, so that little of a block is padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Offsets

STRETCH, SLACK = 1.25, 2  # a block's longest sequence has at most 1.25 x its shortest + 2 values


@dataclass(frozen=True, eq=False)
class Bucket:
    """Sequences [n] of up to `longest` values, in their order, the padding last.

    which int64 [n]: of the sequences; lengths int64 [n]. at int64 [n, longest]: which of all values
    stands where; the padding repeats the last.
    """

    which: NDArray[np.int64]
    lengths: NDArray[np.int64]
    at: NDArray[np.int64]

    @property
    def there(self) -> Mask:
        """Where it is no padding, [n, longest]."""
        return np.arange(self.at.shape[1]) < self.lengths[:, None]


def buckets(offsets: Offsets, most: int, *, even: bool = False) -> Iterator[Bucket]:
    """All sequences but empty ones, shortest first; most: values of a block, padding too.

    even: those of a block are of one length, without any padding.
    """
    order = np.argsort(np.diff(offsets), kind="stable")
    lengths = np.diff(offsets)[order]
    begin = int(np.searchsorted(lengths, 1))
    while begin < len(order):
        within = int(lengths[begin]) if even else int(lengths[begin] * STRETCH) + SLACK
        end = int(np.searchsorted(lengths, within, side="right"))
        end = max(begin + 1, min(end, begin + most // max(int(lengths[end - 1]), 1)))
        which, sizes = order[begin:end], lengths[begin:end]
        last = offsets[1:][which] - 1
        at = (last - sizes + 1)[:, None] + np.arange(sizes[-1])
        yield Bucket(which, sizes, np.minimum(at, last[:, None]))
        begin = end
