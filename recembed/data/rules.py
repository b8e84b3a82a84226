"""Split rules as text: what is held out, and how much of it."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from recembed.data.interactions import PARTS, Interactions
from recembed.errors import DataError

Kind: TypeAlias = Literal["last", "time", "users", "groups", "random", "given"]
By: TypeAlias = Literal["count", "share", "since", "span", "column"]
Reader: TypeAlias = Callable[[str], float | None]

AUTO = "auto"
UNITS = {"h": 3600, "d": 86_400, "w": 604_800}  # seconds
FORMS = (
    "last:N (last N events of each user), time:2017-12-01, time:-14d (also h, w), time:0.1 (last "
    "share of the events), time:-28d..-14d, time:2017-12-01..2017-12-15, users:0.1, users:0.1/0.2 "
    "(of them the last share of events), random:0.1 (of each user's items), groups:0.1, "
    "groups:2017-12-01, groups:-14d, given (by the log's part column), auto"
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
    "time": ("since", "span", "share"),
    "users": ("share",),
    "groups": ("share", "since", "span"),
    "random": ("share",),
}
JOINS: dict[tuple[Kind, By], str] = {  # what stands between the two amounts of a rule
    ("time", "since"): "..",
    ("time", "span"): "..",
    ("users", "share"): "/",
}


@dataclass(frozen=True)
class Rule:
    """What is held out (`kind`), and how much of it.

    by: what `amount` is: a "count" of events a user; a "share" of users, groups, a user's items, or
    (time) of all events, the last ones; a point in time ("since", Unix seconds; a date without a
    zone is UTC), or a "span" of seconds before the end: the last 14 days of a log that ends at t
    are the seconds t - 14 x 86,400 + 1 to t; or a "column" that tells.
    second: where a window of time ends, as `amount` says where it begins; of users:0.1/0.2 the
    share of a held-out user's events that is asked for, None: the last event.
    """

    text: str
    kind: Kind
    by: By
    amount: float = 0.0
    second: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """A rule as people write it; `str(rule)` gives it back.

        Raises: DataError that lists the forms, or says that a window ends before it begins.
        """
        text = text.strip()
        if text == "given":
            return cls(text, "given", "column")
        before, _, value = text.partition(":")
        for kind, ways in HOW.items():
            for by in ways if kind == before else ():
                amounts = _amounts(value, READ[by], JOINS.get((kind, by)))
                if amounts:
                    return _in_order(cls(text, kind, by, *amounts))
        raise DataError(f"{text!r} is not a split rule; the rules are: {FORMS}")

    def __str__(self) -> str:
        return self.text


def rule_for(text: str, events: Interactions, test: Rule | None = None) -> Rule:
    """The rule that `text` names; for "auto" the one that suits the log, or goes with `test`.

    That is the log's own parts, else the last tenth of its time, each user's last event where it is
    in order, a tenth of the groups, or of each user's items. With `test` it is that rule again, a
    tenth by the same kind where it names a date or a window, or what suits a log whose own parts
    have no valid one.

    Raises: DataError as Rule.parse.
    """
    if text.strip() != AUTO:
        return Rule.parse(text)
    if test is None:
        return Rule.parse(_suits(events, given=events.part is not None))
    if test.kind == "given":
        there = events.part is not None and bool((events.part == PARTS["valid"]).any())
        return Rule.parse(_suits(events, given=there))
    once = test.by == "since" or (test.by == "span" and test.second is not None)
    return Rule.parse(f"{test.kind}:0.1") if once else test


def _suits(events: Interactions, *, given: bool) -> str:
    if given:
        return "given"
    if events.time is not None and events.time.min() < events.time.max():
        return "time:0.1"
    if events.order is not None:
        return "last:1"
    return "random:0.1" if events.group is None else "groups:0.1"


def _amounts(text: str, read: Reader, join: str | None) -> tuple[float, ...]:
    """The one or two amounts in `text`; none if one of them cannot be read."""
    amounts = [read(each) for each in (text.split(join, 1) if join else [text])]
    found = tuple(amount for amount in amounts if amount is not None)
    return found if len(found) == len(amounts) else ()


def _in_order(rule: Rule) -> Rule:
    if rule.kind != "time" or rule.second is None:
        return rule
    begin, end = sorted([rule.amount, rule.second], reverse=rule.by == "span")
    if (begin, end) != (rule.amount, rule.second) or begin == end:
        raise DataError(
            f"{rule} is a window that ends before it begins: name its earlier end first"
        )
    return rule
