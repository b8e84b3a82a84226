"""What somebody wants of a list beside the best items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from recembed.data.vocabulary import Id
from recembed.errors import DataError

Value: TypeAlias = str | int | float | bool
MOST_REASONS = 50


@dataclass(frozen=True)
class Wish:
    """k: length of the list.

    exclude_seen: leave out what the history has; None: as in the run's evaluation, where its data
    decide (groceries are bought again, films are not seen again). allow: only these items; None:
    all. exclude: never these. where: only items whose column has this value, or one of these.
    diversity: 0 is by score alone, 1 by distance from what is listed already. cap: at most so many
    items with the same value of a column. because: how many items of the history are named that
    carry most of an item's score.

    Any iterable will do for a sequence. Raises: DataError if one of them makes no sense.
    """

    k: int = 10
    exclude_seen: bool | None = None
    allow: Sequence[Id] | None = None
    exclude: Sequence[Id] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    diversity: float = 0.0
    cap: Mapping[str, int] = field(default_factory=dict)
    because: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        self._check_values()
        allow = None if self.allow is None else as_ids(self.allow, "allowed ids")
        object.__setattr__(self, "allow", allow)
        object.__setattr__(self, "exclude", as_ids(self.exclude, "excluded ids"))
        object.__setattr__(
            self, "where", {name: as_values(one) for name, one in self.where.items()}
        )

    def _check_types(self) -> None:
        for name, kind in {"where": Mapping, "cap": Mapping, "diversity": Real}.items():
            if not isinstance(getattr(self, name), kind):
                raise DataError(f"{name} is no {kind.__name__.lower()}: {getattr(self, name)!r}")
        for name, number in {"k": self.k, "because": self.because, **self.cap}.items():
            if not isinstance(number, Integral):
                raise DataError(f"{name} takes a whole number, not {number!r}")

    def _check_values(self) -> None:
        if not 1 <= self.k < 2**31:
            raise DataError(f"k must be at least 1, not {self.k}, and below 2^31")
        if not 0 <= self.diversity <= 1:
            raise DataError(f"diversity lies between 0 and 1, not at {self.diversity}")
        if not 0 <= self.because <= MOST_REASONS:
            raise DataError(f"because is a number from 0 to {MOST_REASONS}, not {self.because}")
        for column, most in self.cap.items():
            if most < 1:
                raise DataError(f"at least 1 item with a value of {column!r} is listed, not {most}")

    @property
    def reranked(self) -> bool:
        """Whether anything but the score decides on the order."""
        return self.diversity > 0 or bool(self.cap)


def as_ids(ids: Iterable[Id], what: str) -> list[Id]:
    """Ids as a list. Raises: DataError if they are one text, which is no list of ids."""
    if isinstance(ids, (str, bytes)):
        raise DataError(f"{what}: a list of ids is needed, not the text {ids!r}")
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)


def as_values(one: Any) -> list[Value]:
    """One value, or several, as a list."""
    if isinstance(one, Iterable) and not isinstance(one, (str, bytes)):
        return list(one)
    return [one]
