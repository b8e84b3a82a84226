"""Both sides of a cut, as an auditor looks at them, and how findings count what they found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows
from recembed.data.interactions import Interactions
from recembed.data.rules import Rule
from recembed.data.split import Part, Split
from recembed.errors import first, many


@dataclass(frozen=True, eq=False)
class Border:
    """Both sides of the cut: fitted, what may be trained on; held, what is asked; bool [n].

    clock int64 [n]: what tells earlier from later, times or else positions; None without an order.
    """

    events: Interactions
    rule: Rule
    fitted: Mask
    held: Mask
    owner: Rows
    clock: NDArray[np.int64] | None

    @classmethod
    def of(cls, split: Split, on: Part) -> "Border":
        code, events = split.code(on), split.log.interactions
        clock = np.arange(len(events)) if events.order == "position" else None
        return cls(
            events,
            split.rule(on),
            split.part < code,
            split.part == code,
            events.events.owners(),
            clock if events.time is None else events.time,
        )

    @property
    def by_time(self) -> bool:
        """Whether the rule cuts all users at one moment."""
        return self.rule.kind == "time" or (self.rule.kind == "groups" and self.rule.by != "share")

    def latest(self) -> NDArray[np.int64]:
        """The clock of the last event of each event's user that may be trained on, [n]."""
        latest = np.full(self.events.n_users, np.iinfo(np.int64).min)
        if self.clock is not None:
            np.maximum.at(latest, self.owner[self.fitted], self.clock[self.fitted])
        return latest[self.owner]

    def items(self, at: Mask) -> str:
        """The first items of these events."""
        rows = self.events.rows[at]
        distinct = rows[np.sort(np.unique(rows, return_index=True)[1])][:4]
        return f"first items {first([self.events.items.id(int(row)) for row in distinct])}"

    def held_events(self, at: Mask) -> str:
        """How many held-out events these are, of how many users."""
        users = len(np.unique(self.owner[at]))
        return f"{many(np.count_nonzero(at), 'held-out event')} of {many(users, 'user')}"


def date(seconds: np.int64) -> str:
    """Unix seconds as people read them, UTC."""
    return str(np.datetime64(int(seconds), "s"))
