"""A model that is looked at while it is trained: the best round is kept."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

from recembed.protocols import Fitted, Validate

M = TypeVar("M", bound=Fitted)

LOOKS = 10  # at most: on small data a look may cost as much as a round


class Rounds(Generic[M]):
    """Asks `validate` after about every tenth of `total` rounds, and after the last one."""

    def __init__(self, validate: Validate | None, total: int) -> None:
        self.validate, self.total = validate, total
        self.best: M | None = None
        self.value = -math.inf

    def after(self, done: int, make: Callable[[], M]) -> None:
        """`done` rounds are over. make: the model so far, which later rounds leave as it is."""
        due = done * LOOKS // self.total > (done - 1) * LOOKS // self.total
        if self.validate is None or not due:
            return
        model = make()
        value = self.validate(model)
        if value > self.value:
            self.best, self.value = model, value

    def end(self, make: Callable[[], M]) -> M:
        """The best model that was asked about; the last one where none was."""
        return make() if self.best is None else self.best
