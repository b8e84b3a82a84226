"""Pairs of texts that people found alike, more or less: what encoders are tuned and measured by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.errors import DataError


@dataclass(frozen=True, eq=False)
class TextPairs:
    """first[i] and second[i] belong together.

    scores float32 [n]: how alike they are, more is more; None: all of them are alike. negatives:
    a text for each that is not like the first; None: other pairs' texts have to do.
    """

    first: Sequence[str]
    second: Sequence[str]
    scores: NDArray[np.float32] | None = None
    negatives: Sequence[str] | None = None

    def __post_init__(self) -> None:
        n = len(self.first)
        for name in ("second", "scores", "negatives"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise DataError(f"{n} first texts have {len(value)} {name}: one each is needed")
        if self.scores is not None and not np.isfinite(self.scores).all():
            raise DataError("scores of pairs are finite numbers")
        if n == 0:
            raise DataError("there are no pairs")

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: NDArray[np.integer]) -> "TextPairs":
        """Some pairs, in this order."""

        def some(texts: Sequence[str]) -> list[str]:
            return [texts[row] for row in rows.tolist()]

        return TextPairs(
            some(self.first),
            some(self.second),
            None if self.scores is None else self.scores[rows],
            None if self.negatives is None else some(self.negatives),
        )

    def texts(self) -> list[str]:
        """All of them, one after the other."""
        return [*self.first, *self.second, *(self.negatives or ())]
