"""Cutting a log into train, valid and test: one written rule a part."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, ranges
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.errors import DataError
from recembed.seed import rng

Part: TypeAlias = Literal["valid", "test"]
Kind: TypeAlias = Literal["last", "time", "users", "groups"]
By: TypeAlias = Literal["count", "share", "since", "span"]
Reader: TypeAlias = Callable[[str], float | None]

TRAIN, VALID, TEST = 0, 1, 2
HELD_OUT: dict[str, int] = {"valid": VALID, "test": TEST}
UNITS = {"h": 3600, "d": 86_400, "w": 604_800}  # seconds
FORMS = (
    "last:N (last N events of each user), time:2017-12-01, time:-14d (also h, w), "
    "users:0.1, groups:0.1, groups:2017-12-01, groups:-14d"
)


def _count(text: str) -> float | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 0 else None


def _share(text: str) -> float | None:
    share = float(text) if re.fullmatch(r"[0-9]*\.[0-9]+", text) else 0.0
    return share if 0 < share < 1 else None


def _span(text: str) -> float | None:
    found = re.fullmatch(r"-([0-9]{1,9})([hdw])", text)
    return (int(found[1]) * UNITS[found[2]] or None) if found else None


def _since(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return math.ceil((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


READ: dict[By, Reader] = {"count": _count, "share": _share, "since": _since, "span": _span}
HOW: dict[Kind, tuple[By, ...]] = {
    "last": ("count",),
    "time": ("since", "span"),
    "users": ("share",),
    "groups": ("share", "since", "span"),
}


@dataclass(frozen=True)
class Rule:
    """What is held out (`kind`), and how much of it.

    by: what `amount` is: a "count" of events a user, a "share" of users or groups, a point in time
    ("since", Unix seconds; a date without a zone is UTC), or a "span" of seconds before the end:
    the last 14 days of a log that ends at t are the seconds t - 14 x 86,400 + 1 to t.
    """

    text: str
    kind: Kind
    by: By
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """A rule as people write it; `str(rule)` gives it back.

        Raises: DataError that lists the forms.
        """
        text = text.strip()
        before, _, value = text.partition(":")
        for kind, ways in HOW.items():
            for by in ways if kind == before else ():
                amount = READ[by](value)
                if amount is not None:
                    return cls(text, kind, by, amount)
        raise DataError(f"{text!r} is not a split rule; the rules are: {FORMS}")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Split:
    """A log and the part of each of its events: 0 train, 1 valid, 2 test, [n_events].

    counts: events, users and items of each part ("test_users"); cold_users and cold_items of the
    test part, which nothing before it has; users_too_short for last:N, who stay in train;
    users_with_ties_cut, whose events on both sides of the border have one time. The same four of
    the valid part begin with "valid_".
    """

    log: Log
    part: NDArray[np.uint8]
    test_rule: Rule
    valid_rule: Rule | None
    seed: int
    counts: dict[str, int]

    @property
    def train(self) -> Log:
        """The events to train on while valid is watched."""
        return self.log.keep(self.part == TRAIN)

    @property
    def valid(self) -> Log | None:
        """The events to choose settings by, where a rule cuts them."""
        return self.log.keep(self.part == VALID) if self.valid_rule else None

    @property
    def test(self) -> Log:
        """The events nobody trains on."""
        return self.log.keep(self.part == TEST)

    def fitted(self, on: Part) -> Log:
        """What a model may train on that is evaluated on this part: train, or train + valid."""
        return self.log.keep(self.part < self.code(on))

    def code(self, on: Part) -> int:
        """The number of a held-out part in `part`.

        Raises: DataError if there is no such part.
        """
        if on == "valid" and self.valid_rule is None:
            raise DataError("this split has no valid part: cut one with valid='last:1', say")
        if on not in HELD_OUT:
            raise DataError(f"{on!r} is not a held-out part: it is 'valid' or 'test'")
        return HELD_OUT[on]


def split(
    log: Log,
    test: str = "last:1",
    valid: str | None = None,
    *,
    seed: int = 0,
    file_order: bool = False,
) -> Split:
    """Cut the test part first, then the valid part by its own rule from what remains.

    Equal times of a user have no order: which of them are the last is drawn by `seed`, or taken as
    in the file with file_order=True. That also lets last:N cut a log that has no order of its own.

    Raises: DataError if a rule cannot be read, lacks its column, or leaves a part empty.
    """
    events = log.interactions
    if not len(events):
        raise DataError("there is nothing to split: the log has no events")
    if file_order and events.order is None:
        events = replace(events, order="position")
        log = replace(log, interactions=events)
    test_rule, valid_rule = Rule.parse(test), Rule.parse(valid) if valid is not None else None
    part, cuts = np.zeros(len(events), np.uint8), dict[str, int]()
    for name, prefix, rule in (("test", "", test_rule), ("valid", "valid_", valid_rule)):
        if rule is not None:
            left = np.flatnonzero(part == TRAIN)
            rest = events.keep(part == TRAIN)
            chosen, told = _cut(rest, rule, rng(seed, "split", name), file_order)
            _check(chosen, rest, rule, name)
            part[left[chosen]] = HELD_OUT[name]
            cuts |= {prefix + what: count for what, count in told.items()}
    counts = _counts(events, part, valid_rule is not None) | cuts
    return Split(log, part, test_rule, valid_rule, seed, counts)


def last_events(
    events: Interactions, n: int, generator: np.random.Generator, *, file_order: bool = False
) -> tuple[Mask, dict[str, int]]:
    """Which events are the last n of a user who has more than n, [n_events], and the counts.

    Events that have no order among them (equal times; all of a user's where the log has no order)
    are shuffled by `generator` first, unless file_order.
    """
    sizes, ends = events.events.sizes, events.events.offsets[1:]
    enough = sizes > n
    border = ends[enough] - n  # position of the first held-out event
    mask = np.zeros(len(events), np.bool_)
    mask[ranges(border, np.full(len(border), n))] = True
    block = _unordered(events)
    cut = block[border] == block[border - 1]
    if not file_order:
        crossing = np.zeros(block.max(initial=0) + 1, np.bool_)
        crossing[block[border[cut]]] = True
        at = np.flatnonzero(crossing[block])
        mask[at[np.lexsort((generator.random(len(at)), block[at]))]] = mask[at]
    too_short = int(np.count_nonzero((sizes > 0) & ~enough))
    return mask, {"users_too_short": too_short, "users_with_ties_cut": int(np.count_nonzero(cut))}


def _unordered(events: Interactions) -> NDArray[np.int64]:
    """A number for each event, equal where two events of a user have no order among them, [n]."""
    owner = events.events.owners()
    if events.order is None:
        return owner.astype(np.int64)
    fresh = np.ones(len(events), np.bool_)
    if events.order == "time" and events.time is not None:
        fresh[1:] = (owner[1:] != owner[:-1]) | (events.time[1:] != events.time[:-1])
    return np.cumsum(fresh)


def _cut(
    events: Interactions, rule: Rule, generator: np.random.Generator, file_order: bool
) -> tuple[Mask, dict[str, int]]:
    """Which events the rule holds out, [n_events], and what it counted on the way."""
    if rule.kind == "last":
        if events.order is None:
            raise DataError(
                f"{rule} needs an order, this log has {_columns(events)}: pass --file-order if the "
                f"file is in order, or use users:0.1 or groups:0.1"
            )
        return last_events(events, int(rule.amount), generator, file_order=file_order)
    told = {"users_too_short": 0, "users_with_ties_cut": 0}
    if rule.kind == "time":
        return _times(events, rule) >= _start(events, rule), told
    unit = events.events.owners() if rule.kind == "users" else _groups(events, rule)
    units, of = np.unique(unit, return_inverse=True)
    if rule.by == "share":
        held = np.zeros(len(units), np.bool_)
        held[generator.choice(len(units), round(rule.amount * len(units)), replace=False)] = True
    else:
        begin = np.full(len(units), np.iinfo(np.int64).max)
        np.minimum.at(begin, of, _times(events, rule))
        held = begin >= _start(events, rule)
    return held[of], told


def _columns(events: Interactions) -> str:
    return "only " + ", ".join(["users and items", *events.columns()]) + f", order {events.order}"


def _times(events: Interactions, rule: Rule) -> NDArray[np.int64]:
    if events.time is None:
        raise DataError(f"{rule} needs times, this log has {_columns(events)}: name their column")
    return events.time


def _start(events: Interactions, rule: Rule) -> int:
    """The first second that is held out."""
    if rule.by == "since":
        return int(rule.amount)
    return int(_times(events, rule).max()) - int(rule.amount) + 1


def _groups(events: Interactions, rule: Rule) -> NDArray[np.int64]:
    if events.group is None:
        raise DataError(
            f"{rule} needs groups (baskets, sessions), this log has {_columns(events)}: "
            f"name their column (--columns group=COLUMN)"
        )
    return events.group


def _check(chosen: Mask, events: Interactions, rule: Rule, name: str) -> None:
    """Raises: DataError if the cut leaves nothing on one of its sides."""
    if chosen.any() and not chosen.all():
        return
    empty, sizes = "train" if chosen.any() else name, events.events.sizes
    there = f"{len(events)} events of {np.count_nonzero(sizes)} users, at most {sizes.max()} each"
    if rule.kind == "groups":
        there += f", {len(np.unique(_groups(events, rule)))} groups"
    if events.time is not None:
        first, last = np.array([events.time.min(), events.time.max()]).astype("M8[s]")
        there += f", from {first} to {last}"
    raise DataError(f"{rule} leaves the {empty} part empty; there are {there}: choose another cut")


def _counts(events: Interactions, part: NDArray[np.uint8], with_valid: bool) -> dict[str, int]:
    """Events, users and items of each part, and what is cold in the held-out ones."""
    owner, counts = events.events.owners(), dict[str, int]()
    users_before, items_before = np.zeros(events.n_users, bool), np.zeros(events.n_items, bool)
    for name, code in {"train": TRAIN, **HELD_OUT}.items():
        if code == VALID and not with_valid:
            continue
        here = part == code
        users = np.bincount(owner[here], minlength=events.n_users) > 0
        items = np.bincount(events.rows[here], minlength=events.n_items) > 0
        for what, mask in (("events", here), ("users", users), ("items", items)):
            counts[f"{name}_{what}"] = int(np.count_nonzero(mask))
        if code != TRAIN:
            prefix = "valid_" if code == VALID else ""
            counts[f"{prefix}cold_users"] = int(np.count_nonzero(users & ~users_before))
            counts[f"{prefix}cold_items"] = int(np.count_nonzero(items & ~items_before))
        users_before |= users
        items_before |= items
    return counts
