"""What a history model is trained on: the past of an event (or of a group) and what came then."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, offsets_of, ranges, run_starts, stable_order
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Batch:
    """histories: one "user" an example. targets: the items that came then, at least one each: after
    each history, or after each of its events where every one is learned from.

    given: of the targets' own group, what stands in the history and is no target. users: row
    of each example's user in the log.
    """

    histories: Interactions
    targets: Sequences
    given: Sequences
    users: Rows


@dataclass(frozen=True, eq=False)
class Examples:
    """Blocks of events, each with the events before it: [n] starts, sizes and first of the user.

    A block is one event, or one group, or all of a user whose events have no order. Of a group or a
    user a random part, `given` of it or more, joins the history and the rest is the target, so that
    a basket is learned from its own items too; the part is no longer than `reach`.
    every: a block is an event in whose past each event has the next one for a target: each user's
    newest one and, where all of a long history is learned from, one for each `reach` before it.
    """

    events: Interactions
    unit: Literal["user", "group"]
    reach: int
    every: bool
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    begins: NDArray[np.int64]
    given: float = 0.0

    @classmethod
    def of(
        cls,
        events: Interactions,
        unit: Literal["user", "group"],
        reach: int,
        *,
        every: bool = False,
        older: bool = False,
        given: float = 0.0,
    ) -> "Examples":
        """All blocks that have something before them; `reach`: most events of the past.

        older: with `every`, blocks further back than the reach, too. given: see above, below 1.
        """
        offsets = events.events.offsets
        begin = offsets[:-1][events.events.owners()]
        if every:
            asked = np.maximum(np.diff(offsets) - 1, 0)  # events with one after them
            windows = -(-asked // reach) if older else np.minimum(asked, 1)
            back = ranges(np.zeros(len(windows), np.int64), windows) * reach
            starts = np.repeat(offsets[1:] - 1, windows) - back
            ones = np.ones(len(starts), np.int64)
            return cls(events, unit, reach, True, starts, ones, np.repeat(offsets[:-1], windows))
        if unit == "user" and events.order is None:
            long = np.flatnonzero(np.diff(offsets) > 1)
            starts = offsets[:-1][long]
            return cls(events, unit, reach, False, starts, np.diff(offsets)[long], starts, given)
        if unit == "user":
            starts = np.flatnonzero(np.arange(len(events)) > begin)
            sizes = np.ones(len(starts), np.int64)
            return cls(events, unit, reach, False, starts, sizes, begin[starts])
        events = _with_whole_groups(events)
        group = events.group
        assert group is not None  # sentences() refused a log without groups
        edges = run_starts(group)
        sizes = np.diff(edges, append=len(group))
        kept = (sizes > 1) | (edges > begin[edges])
        return cls(events, unit, reach, False, edges[kept], sizes[kept], begin[edges[kept]], given)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def positions(self) -> int:
        """Histories that are asked for what came then, prefixes of one another counted apart."""
        if not self.every:
            return len(self)
        return int(np.minimum(self.starts - self.begins, self.reach).sum())

    def batch(self, which: NDArray[np.int64], random: np.random.Generator) -> Batch:
        """The examples `which`."""
        starts, sizes, begins = self.starts[which], self.sizes[which], self.begins[which]
        if self.every:
            starts = self._moved(which, random)
        users = self._owners[starts]
        owner = np.repeat(np.arange(len(which)), sizes)
        block = ranges(starts, sizes)
        target = self._targets(sizes, starts > begins, random)
        past_start = np.maximum(begins, starts - self.reach)
        past = ranges(past_start, starts - past_start)
        past_owner = np.repeat(np.arange(len(which)), starts - past_start)
        at = np.concatenate([past, block[~target]])
        who = np.concatenate([past_owner, owner[~target]])
        at = at[stable_order(who)]
        events = self.events
        histories = Interactions(
            Vocabulary.numbered(len(which), "example"),
            events.items,
            Sequences(events.rows[at], offsets_of(np.bincount(who, minlength=len(which)))),
            time=None if events.time is None else events.time[at],
            group=None if events.group is None else events.group[at],
            weight=None if events.weight is None else events.weight[at],
            order=events.order,
        )
        if self.every:
            targets = Sequences(events.rows[past + 1], np.arange(len(past) + 1))
        else:
            counts = np.bincount(owner[target], minlength=len(which))
            targets = Sequences(events.rows[block[target]], offsets_of(counts))
        rows = events.rows[block]
        keys = owner * events.n_items + rows
        joined = ~target & ~np.isin(keys, keys[target])
        given = Sequences(
            rows[joined], offsets_of(np.bincount(owner[joined], minlength=len(which)))
        )
        return Batch(histories, targets, given, users)

    def _moved(self, which: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """Blocks further back stand anywhere in the `reach` before them, each time elsewhere."""
        starts, begins = self.starts[which], self.begins[which]
        newest = starts == self.events.events.offsets[self._owners[starts] + 1] - 1
        back = np.where(newest, 0, random.integers(0, self.reach, len(starts)))
        return np.maximum(starts - back, begins + 1)

    @cached_property
    def _owners(self) -> Rows:
        return self.events.events.owners()

    def _targets(
        self, sizes: NDArray[np.int64], has_past: Mask, random: np.random.Generator
    ) -> Mask:
        """Which events of each block are targets: at least one, and a history is never empty."""
        if self.every or (self.unit == "user" and self.events.order is not None):
            return np.ones(len(sizes), bool)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        draw = random.random(len(owner))
        order = np.lexsort([draw, owner])
        rank = np.empty(len(owner), np.int64)
        rank[order] = np.arange(len(owner)) - offsets_of(sizes)[owner[order]]
        share = self.given + (1 - self.given) * random.random(len(sizes))
        given = np.minimum((share * sizes).astype(np.int64), sizes - 1)  # so many join the history
        given = np.where(has_past, given, np.maximum(given, 1)).clip(max=self.reach)
        return rank >= given[owner]


def _with_whole_groups(events: Interactions) -> Interactions:
    """The same events with each user's groups in one piece each, in order of their first event."""
    sentences = events.sentences("group")  # also says so where there are no groups
    group = events.group
    assert group is not None
    if len(sentences) == len(run_starts(group)):
        return events
    first = np.zeros(int(group.max()) + 1, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    order = stable_order(first[group])
    moved = {name: column[order] for name, column in events.columns().items()}
    laid = Sequences(events.rows[order], events.events.offsets)
    return Interactions(events.users, events.items, laid, order=events.order, **moved)  # type: ignore[arg-type]
