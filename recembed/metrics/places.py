"""Where the items to be found stand in the lists: all that metrics of accuracy need to know."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Offsets, Rows, Vectors, offsets_of
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import TopK

NEVER = np.iinfo(np.int32).max  # `above` of a target that the lists do not reach


@dataclass(frozen=True, eq=False)
class Places:
    """Of every target of every case: how many items are ahead of it, and how many level with it.

    offsets int64 [n_cases + 1]: the targets of each case. above int32 [n_targets]: eligible items
    with a higher score, NEVER where the list does not reach the target. tied int32 [n_targets]:
    eligible items with its score, itself too. depth: how far lists reach; no k may be larger.
    A target's place is so one of above + 1 .. above + tied, each as likely.
    """

    offsets: Offsets
    above: Rows
    tied: Rows
    depth: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def keep(self, mask: Mask) -> "Places":
        """Only the targets where `mask` [n_targets] is true; cases that have none left stay."""
        owners = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        sizes = np.bincount(owners[mask], minlength=len(self))
        return Places(offsets_of(sizes), self.above[mask], self.tied[mask], self.depth)


def places_of(
    top: TopK, targets: Sequences, level: Callable[[NDArray[np.int64]], TopK] | None
) -> Places:
    """Where the targets of each case stand in its list.

    level: for these cases the scores of their own targets, as a list of only those. It is asked
    where more items have the last listed score than are listed, and a target may be one of them;
    without it, as where top.tied is unknown, what is not listed counts as never reached.

    Raises: DataError if there is not one list a case.
    """
    listed = _listed_at(top.rows, targets)
    owners = targets.owners()
    above = np.full(len(listed), NEVER, np.int32)
    tied = np.ones(len(listed), np.int32)
    hit = np.flatnonzero(listed >= 0)
    above[hit], tied[hit] = _groups(top.scores, owners[hit], listed[hit])

    cut = np.flatnonzero(top.rows[:, -1] >= 0)  # whose list is full: its last group may go on
    begin, total = np.full(len(top.rows), NEVER, np.int32), top.tied.astype(np.int32)
    begin[cut], size = _groups(top.scores, cut, np.full(len(cut), top.k - 1, np.int32))
    more = np.zeros(len(top.rows), np.bool_)
    more[cut] = total[cut] > size
    last = more[owners] & (above == begin[owners])
    if level is not None:
        last |= _level(top, targets, more[owners] & (listed < 0), level)
    above[last], tied[last] = begin[owners[last]], total[owners[last]]
    return Places(targets.offsets, above, tied, top.k)


def holds(rows: Rows, lists: Sequences) -> Mask:
    """Whether each listed row [n, k] stands in its own case's sequence of `lists`; -1 never does.

    Raises: DataError if there is not one list a case.
    """
    found = np.zeros(rows.shape, np.bool_)
    places = _listed_at(rows, lists)
    hit = places >= 0
    found[lists.owners()[hit], places[hit]] = True
    return found


def _listed_at(rows: Rows, lists: Sequences) -> Rows:
    """The place from 0 of each value of `lists` in its own case's list, -1 if not there, [n]."""
    from recembed.metrics.kernels import find

    if rows.ndim != 2 or len(rows) != len(lists):
        raise DataError(f"lists of shape {rows.shape} do not fit {len(lists)} cases")
    highest = max(rows.max(initial=0), lists.values.max(initial=0))
    found = np.empty(len(lists.values), np.int32)
    find(rows, lists.values, lists.offsets, np.full(highest + 1, -1, np.int32), found)
    return found


def _groups(scores: Vectors, cases: NDArray[np.integer], places: Rows) -> tuple[Rows, Rows]:
    """First place and size of the group of equal scores that each (case, place) is in."""
    from recembed.metrics.kernels import groups

    starts, sizes = np.empty(len(cases), np.int32), np.empty(len(cases), np.int32)
    groups(scores, cases, places, starts, sizes)
    return starts, sizes


def _level(
    top: TopK, targets: Sequences, open_: Mask, level: Callable[[NDArray[np.int64]], TopK]
) -> Mask:
    """Which of the `open_` targets have their case's last listed score, [n_targets]."""
    found = np.zeros(len(open_), np.bool_)
    cases = np.unique(targets.owners()[open_]).astype(np.int64)
    if not len(cases):
        return found
    own, at = level(cases), targets.positions(cases)
    asked = targets.take(cases)
    places, owners = _listed_at(own.rows, asked), asked.owners()
    scores = np.where(places >= 0, own.scores[owners, places], -np.inf)
    found[at] = open_[at] & (scores == top.scores[cases[owners], -1])
    return found
