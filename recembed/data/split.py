"""Cutting a log into train, valid and test: one written rule a part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.data.cuts import cut
from recembed.data.interactions import PARTS, Interactions
from recembed.data.log import Log
from recembed.data.rules import AUTO, Rule, rule_for
from recembed.errors import DataError
from recembed.seed import rng

Part: TypeAlias = Literal["valid", "test"]

TRAIN, VALID, TEST = PARTS.values()
LATER = 3  # after a window of time: in no part
HELD_OUT = {"valid": VALID, "test": TEST}


@dataclass(frozen=True, eq=False)
class Split:
    """A log and the part of each of its events: 0 train, 1 valid, 2 test, 3 none, [n_events].

    counts: events, users and items of each part ("test_users"); cold_users and cold_items of the
    test part, which nothing before it has; users_too_short for last:N (or random), who stay in
    train; users_with_ties_cut, whose events on both sides of the border have one time. The same
    four of the valid part begin with "valid_". later_events stand after a window, in no part.
    moments: where rules of time begin and windows end, Unix seconds ("test_from", "valid_until").
    """

    log: Log
    part: NDArray[np.uint8]
    test_rule: Rule
    valid_rule: Rule | None
    seed: int
    counts: dict[str, int]
    moments: Mapping[str, int] = field(default_factory=dict)

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

    def rule(self, on: Part) -> Rule:
        """What cut a held-out part. Raises: DataError if there is no such part."""
        self.code(on)
        return self.valid_rule if on == "valid" and self.valid_rule else self.test_rule

    def stated(self, on: Part) -> str:
        """The rule of a part, with its moments: `time:0.1 (from 2000-12-29T23:42:56Z)`."""
        ends = ((word, self.moments.get(f"{on}_{word}")) for word in ("from", "until"))
        said = " ".join(f"{word} {np.datetime64(at, 's')}Z" for word, at in ends if at is not None)
        return f"{self.rule(on)} ({said})" if said else str(self.rule(on))

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
    test: str = AUTO,
    valid: str | None = None,
    *,
    seed: int = 0,
    file_order: bool = False,
) -> Split:
    """Cut the test part first, then the valid part by its own rule from what remains.

    "auto" is the rule that suits the log, and for valid the one that goes with the test rule; the
    split has what it became. Equal times of a user have no order: which of them are the last is
    drawn by `seed`, or taken as in the file with file_order=True. That also lets last:N cut a log
    that has no order of its own. What comes after a window of time is in no part.

    Raises: DataError if a rule cannot be read, lacks its column, or leaves a part empty.
    """
    events = log.interactions
    if not len(events):
        raise DataError("there is nothing to split: the log has no events")
    if file_order:
        log = log.in_file_order()
        events = log.interactions
    test_rule = rule_for(test, events)
    valid_rule = None if valid is None else rule_for(valid, events, test_rule)
    part, told, moments = np.zeros(len(events), np.uint8), dict[str, int](), dict[str, int]()
    for name, prefix, rule in (("test", "", test_rule), ("valid", "valid_", valid_rule)):
        if rule is not None:
            left, code = np.flatnonzero(part == TRAIN), HELD_OUT[name]
            rest = events.keep(part == TRAIN)
            drawn = rng(seed, "split", name)
            found = cut(rest, rule, drawn, part=code, file_order=file_order)
            part[left[found.held]] = code
            if found.later is not None:
                part[left[found.later]] = LATER
            _check(part[left], rest, rule, name)
            told |= {prefix + what: count for what, count in found.told.items()}
            moments |= {f"{name}_{what}": moment for what, moment in found.moments.items()}
    counts = counts_of_parts(events, part, valid_rule is not None) | told
    return Split(log, part, test_rule, valid_rule, seed, counts, moments)


def _check(part: NDArray[np.uint8], events: Interactions, rule: Rule, name: str) -> None:
    """Raises: DataError if the cut leaves nothing on one of its sides."""
    empty = [each for each in (name, "train") if not (part == PARTS[each]).any()]
    if not empty:
        return
    sizes = events.events.sizes
    there = f"{len(events)} events of {np.count_nonzero(sizes)} users, at most {sizes.max()} each"
    if rule.kind == "groups" and events.group is not None:
        there += f", {len(np.unique(events.group))} groups"
    if rule.kind == "given" and events.part is not None:
        own = np.bincount(events.part, minlength=len(PARTS)).tolist()
        there += ", of which " + ", ".join(f"{own[code]} {each}" for each, code in PARTS.items())
    if events.time is not None:
        first, last = np.array([events.time.min(), events.time.max()]).astype("M8[s]")
        there += f", from {first} to {last}"
    raise DataError(
        f"{rule} leaves the {empty[0]} part empty; there are {there}: choose another cut"
    )


def counts_of_parts(
    events: Interactions, part: NDArray[np.uint8], with_valid: bool
) -> dict[str, int]:
    """Events, users and items of each part, and what is cold in the held-out ones."""
    owner, counts = events.events.owners(), dict[str, int]()
    users_before, items_before = np.zeros(events.n_users, bool), np.zeros(events.n_items, bool)
    for name, code in PARTS.items():
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
    later = int(np.count_nonzero(part == LATER))
    return counts | ({"later_events": later} if later else {})
