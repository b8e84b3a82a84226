"""Questions that held-out events ask: given this history, which item comes next?"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Offsets, Rows, offsets_of, ranges, stable_order
from recembed.data.cuts import last_events
from recembed.data.interactions import Interactions
from recembed.data.rules import Rule
from recembed.data.sequences import Sequences
from recembed.data.split import Part, Split
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.seed import rng

Positions: TypeAlias = NDArray[np.int64]
At: TypeAlias = slice | NDArray[np.integer] | None

COLUMNS = 32  # bytes of an event of a history: its columns and its position


@dataclass(frozen=True, eq=False)
class Cases:
    """Histories, and the items to be found for each.

    A history is not held but built when it is asked for: the events of `source` that are `trained`
    on and stand in the owner's before position `until`, and then those at `given_at`.
    given: item rows of the held-out unit itself that the model sees (rest of the basket; the first
    events of a held-out user), empty for the other rules.
    targets: item rows to be found, unique within a case; items nobody trained on stay.
    owner: user row of each case in the log, the cluster for intervals, [n_cases].
    history_sizes: events of each history, [n_cases]. events: events of each item that may be
    trained on, [n_items].
    counts: cases, users, targets, history_events; cold_cases (nothing in the history),
    cases_without_past (nothing in it but `given`), targets_never_trained; and what could be no
    case: baskets_of_one_item, users_of_one_event.
    setting: the rules, the seeds and the fingerprint of the data.
    """

    source: Interactions
    trained: Mask
    until: Positions
    given_at: Positions
    given: Sequences
    targets: Sequences
    owner: Rows
    history_sizes: NDArray[np.int64]
    events: NDArray[np.int64]
    counts: dict[str, int]
    rule: Rule
    seed: int
    setting: dict[str, Any]

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def items(self) -> Vocabulary:
        """What is ranked."""
        return self.source.items

    @property
    def n_items(self) -> int:
        """Items of the catalogue, those that nobody trained on too."""
        return self.source.n_items

    @property
    def history_bytes(self) -> NDArray[np.int64]:
        """What each history takes while it is built and asked about, [n_cases]."""
        return COLUMNS * self.history_sizes

    def histories(self, at: At = None) -> Interactions:
        """The histories of the cases `at`, None: of all; a "user" is the number of a case.

        The people behind them are the owners, who may have several cases. Histories of baskets can
        hold the log's events many times over: ask for a block at a time.
        """
        which = self._numbers(at)
        where, offsets = self._positions(which)
        columns = {name: column[where] for name, column in self.source.columns().items()}
        return Interactions(
            Vocabulary(which, "case", distinct=True),
            self.items,
            Sequences(self.source.rows[where], offsets),
            order=self.source.order,
            people=self.source.users.take(self.owner[which]),
            **columns,  # type: ignore[arg-type]
        )

    def exclude(self, repeats: bool, at: At = None) -> Sequences:
        """Items that may not be listed: all of the history, or with `repeats` only the basket.

        An item is in a basket once, so the rest of the basket is never the answer.
        """
        which = self._numbers(at)
        if not repeats:
            where, offsets = self._positions(which)
            return Sequences(self.source.rows[where], offsets)
        if self.rule.kind == "groups":
            return self.given.take(which)
        return Sequences(np.zeros(0, np.int32), np.zeros(len(which) + 1, np.int64))

    def _numbers(self, at: At) -> Positions:
        return np.arange(len(self))[slice(None) if at is None else at]

    def _positions(self, which: Positions) -> tuple[Positions, Offsets]:
        """Where in `source` the histories of these cases stand, one after another."""
        given = self.given.sizes[which]
        past = self.history_sizes[which] - given
        offsets = offsets_of(past + given)
        begin = self.source.events.offsets[self.owner[which]]
        before = ranges(begin, self.until[which] - begin)
        where = np.empty(offsets[-1], np.int64)
        where[ranges(offsets[:-1], past)] = before[self.trained[before]]
        where[ranges(offsets[:-1] + past, given)] = self.given_at[self.given.positions(which)]
        return where, offsets


@dataclass(frozen=True, eq=False)
class _Units:
    """Held-out units as positions in the log: a case's past are the events before `until`."""

    owner: Rows
    until: Positions
    given: Positions
    given_offsets: Offsets
    targets: Sequences
    skipped: dict[str, int]


def cases(split: Split, on: Part = "test", *, seed: int = 0) -> Cases:
    """The cases of a held-out part.

    users rules: a case a held-out user; the target is the last event's item, or those of the last
    share that the rule names (at least one, never all; among equal times, or where the log has no
    order, drawn by `seed`). groups rules: a case a basket of at least two items; one item drawn by
    `seed` is hidden, the history is what may be trained on and came before the basket (all of it
    where the log has no order), then the rest of the basket. The other rules: a case a user; the
    history is all that may be trained on, the targets are the held-out items.

    Raises: DataError if the split has no such part.
    """
    code = split.code(on)
    rule = split.rule(on)
    events = split.log.interactions
    held, fitted = np.flatnonzero(split.part == code), np.flatnonzero(split.part < code)
    units = _units(events, held, rule, rng(seed, "cases", on))
    given = Sequences(events.rows[units.given], units.given_offsets)
    start = np.searchsorted(fitted, events.events.offsets[units.owner])
    past = np.searchsorted(fitted, units.until) - start
    trained = np.bincount(events.rows[fitted], minlength=events.n_items)
    counts = {
        "cases": len(units.owner),
        "users": len(np.unique(units.owner)),
        "targets": len(units.targets.values),
        "history_events": int(past.sum()) + len(given.values),
        "cold_cases": int(np.count_nonzero(past + given.sizes == 0)),
        "cases_without_past": int(np.count_nonzero(past == 0)),
        "targets_never_trained": int(np.count_nonzero(trained[units.targets.values] == 0)),
        **units.skipped,
    }
    setting = {
        "test_rule": str(split.test_rule),
        "valid_rule": str(split.valid_rule) if split.valid_rule else None,
        "evaluated_on": on,
        "moments": dict(split.moments),
        "split_seed": split.seed,
        "case_seed": seed,
        "data": events.fingerprint(),
    }
    return Cases(
        source=events,
        trained=split.part < code,
        until=units.until,
        given_at=units.given,
        given=given,
        targets=units.targets,
        owner=units.owner,
        history_sizes=past + given.sizes,
        events=trained,
        counts=counts,
        rule=rule,
        seed=seed,
        setting=setting,
    )


def _units(
    events: Interactions, held: Positions, rule: Rule, generator: np.random.Generator
) -> _Units:
    match rule.kind:
        case "users":
            return _last(events, held, rule.second, generator)
        case "groups":
            return _hidden(events, held, generator)
        case _:
            return _whole(events, held)


def _whole(events: Interactions, held: Positions) -> _Units:
    """A case a user: all held-out items are targets."""
    owner, targets = _distinct(events.events.owners()[held], events.rows[held], events.n_items)
    return _Units(
        owner=owner,
        until=events.events.offsets[owner.astype(np.int64) + 1],
        given=np.zeros(0, np.int64),
        given_offsets=np.zeros(len(owner) + 1, np.int64),
        targets=targets,
        skipped={},
    )


def _last(
    events: Interactions, held: Positions, share: float | None, generator: np.random.Generator
) -> _Units:
    """A case a held-out user: the last events' items are the targets, all before them is given."""
    here = np.zeros(len(events), np.bool_)
    here[held] = True
    own = events.keep(here)
    sizes = own.events.sizes
    asked = np.rint((share or 0.0) * sizes).clip(1, np.maximum(sizes - 1, 0)).astype(np.int64)
    last, _ = last_events(own, asked, generator)
    owner, targets = _distinct(own.events.owners()[last], own.rows[last], events.n_items)
    return _Units(
        owner=owner,
        until=events.events.offsets[owner],
        given=held[~last & (sizes > 1)[own.events.owners()]],
        given_offsets=offsets_of((sizes - asked)[owner]),
        targets=targets,
        skipped={"users_of_one_event": int(np.count_nonzero(sizes == 1))},
    )


def _distinct(owner: Rows, rows: Rows, n_items: int) -> tuple[Rows, Sequences]:
    """The owners there are, and the item rows of each, once."""
    pairs = np.unique(owner.astype(np.int64) * n_items + rows)
    owners, sizes = np.unique(pairs // n_items, return_counts=True)
    targets = Sequences((pairs % n_items).astype(np.int32), offsets_of(sizes))
    return owners.astype(np.int32), targets


def _hidden(events: Interactions, held: Positions, generator: np.random.Generator) -> _Units:
    """A case a basket of two items or more: one of them, drawn uniformly, is the target."""
    if events.group is None:
        raise DataError("a groups rule needs the groups that the split was made with")
    basket, first = _numbered(events.group[held])
    pairs = np.unique(basket * events.n_items + events.rows[held])
    n_distinct = np.bincount(pairs // events.n_items, minlength=len(first))
    asked = np.flatnonzero(n_distinct > 1)
    starts = (np.cumsum(n_distinct) - n_distinct)[asked]
    hidden = pairs[starts + generator.integers(0, n_distinct[asked])] % events.n_items

    case_of = np.full(len(first), -1, np.int64)
    case_of[asked] = np.arange(len(asked))
    case = case_of[basket]
    seen = np.flatnonzero(case >= 0)
    seen = seen[events.rows[held[seen]] != hidden[case[seen]]]
    seen = seen[stable_order(case[seen])]

    begin = held[first[asked]]
    owner = events.events.owners()[begin]
    ends = events.events.offsets[owner.astype(np.int64) + 1]
    return _Units(
        owner=owner,
        until=ends if events.order is None else begin,
        given=held[seen],
        given_offsets=offsets_of(np.bincount(case[seen], minlength=len(asked))),
        targets=Sequences(hidden.astype(np.int32), np.arange(len(asked) + 1)),
        skipped={"baskets_of_one_item": len(first) - len(asked)},
    )


def _numbered(group: NDArray[np.int64]) -> tuple[NDArray[np.int64], Positions]:
    """Groups numbered by first appearance: the number of each event's, and where each begins."""
    _, first, of = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    return number[of], first[order].astype(np.int64)
