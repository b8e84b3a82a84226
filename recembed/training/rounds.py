"""A model that is looked at while it is trained: the best round is kept, and how it all went."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from recembed.errors import Diverged, Interrupted

M = TypeVar("M")

LOOKS = 10  # at most: on small data a look may cost as much as a round


class Rounds(Generic[M]):
    """Asks `validate` after some of `total` rounds, evenly spread, and after the last one.

    most: looks at most. patience: looks in a row without a better value after which it is `over`.
    looks: the rounds that were asked about, and what they are worth.
    """

    def __init__(
        self,
        validate: Callable[[M], float] | None,
        total: int,
        *,
        most: int = LOOKS,
        patience: int | None = None,
    ) -> None:
        self.validate, self.total, self.most, self.patience = validate, total, most, patience
        self.looks: list[tuple[int, float]] = []
        self.best: M | None = None

    @property
    def top(self) -> tuple[int, float]:
        """The best round and its value, of equal ones the first; (0, -inf) where none is any."""
        found = (0, -math.inf)
        for done, value in self.looks:
            if value > found[1]:
                found = (done, value)
        return found

    @property
    def over(self) -> bool:
        """Whether training may end, because it does not get better any more."""
        since = sum(done > self.top[0] for done, _ in self.looks)
        return self.patience is not None and since >= self.patience

    def after(self, done: int, make: Callable[[], M]) -> None:
        """`done` rounds are over. make: the model so far, which later rounds leave as it is."""
        due = done * self.most // self.total > (done - 1) * self.most // self.total
        looked = bool(self.looks) and done <= self.looks[-1][0]
        if self.validate is None or not due or looked:
            return
        model = make()
        value = self.validate(model)
        if value > self.top[1]:
            self.best = model
        self.looks.append((done, value))

    def end(self, make: Callable[[], M]) -> M:
        """The best model that was asked about; the last one where none was."""
        return make() if self.best is None else self.best


@dataclass(frozen=True)
class Training:
    """How a training went.

    epochs: whole ones that the model has learned from, `of` those that were asked for: it may have
    gone on for longer, and an earlier round is kept. steps: as many. why: it ended before its time.
    looks: epochs that were asked about, and their values.
    """

    epochs: int
    of: int
    steps: int
    ended: Literal["complete", "patience", "interrupted", "diverged"]
    why: str = ""
    looks: tuple[tuple[int, float], ...] = ()

    def checked(self, model: M) -> M:
        """The model. Raises: Interrupted or Diverged, which have it, if that was the end."""
        if self.ended == "interrupted":
            raise Interrupted(self.why, model)
        if self.ended == "diverged":
            raise Diverged(self.why, model)
        return model


@runtime_checkable
class Watched(Protocol):
    """A model that tells how its training went."""

    @property
    def training(self) -> Training | None:
        """None where it was read from a run, which has it among its facts."""
