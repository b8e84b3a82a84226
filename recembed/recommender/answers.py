"""What a recommender answers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from recembed.data.vocabulary import Id


@dataclass(frozen=True)
class Because:
    """An item of the history that speaks for a recommendation.

    share: of what all that speak for it add to its score, 0..1.
    """

    item: Id
    share: float
    title: str | None


@dataclass(frozen=True)
class Recommendation:
    """One item of a list; a higher score is better. title: None where the run has no titles.

    because: what of the history carries most of the score, where that was asked for.
    """

    item: Id
    score: float
    title: str | None
    because: tuple[Because, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; reasons only where there are some."""
        told = asdict(self)
        if not self.because:
            del told["because"]
        return told


@dataclass(frozen=True)
class Recommendations(Sequence[Recommendation]):
    """A list, best first. note: what else to know.

    reason: "model", "text" for a search, or why it is another list.
    """

    items: tuple[Recommendation, ...]
    reason: str
    note: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, at: int) -> Recommendation: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Recommendation, ...]: ...
    def __getitem__(self, at: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        return self.items[at]

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        items = [item.to_dict() for item in self.items]
        return {"items": items, "reason": self.reason, "note": self.note}
