"""Pairs of texts as numbers, and which of them belong together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors, offsets_of, ranges
from recembed.data.sequences import Sequences
from recembed.errors import DataError

Rows64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PairRows:
    """Pairs of `texts`, by their rows: int64 [n].

    negatives: a text that is not like the first, -1: none. scores float32 [n]: how alike a pair
    is; None: all belong together.
    """

    texts: Sequences
    first: Rows64
    second: Rows64
    negatives: Rows64 | None = None
    scores: Vectors | None = None

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def themselves(cls, texts: Sequences) -> "PairRows":
        """Each text and itself, once."""
        rows = np.unique(_equals(texts))
        return cls(texts, rows, rows)

    def cleaned(self) -> "PairRows":
        """Equal texts are one; pairs of an empty text are left out, and texts of no pair.

        Raises: DataError if nothing is left.
        """
        sizes, equal = self.texts.sizes, _equals(self.texts)
        kept = (sizes[self.first] > 0) & (sizes[self.second] > 0)
        if not kept.any():
            raise DataError("no pair has words in both its texts: there is nothing to learn from")
        first, second = equal[self.first[kept]], equal[self.second[kept]]
        negatives = np.full(len(first), -1)
        if self.negatives is not None:
            given = self.negatives[kept]
            negatives = np.where((given >= 0) & (sizes[given] > 0), equal[given], -1)
        used = np.unique(np.concatenate([first, second, negatives[negatives >= 0]]))
        place = np.full(len(self.texts) + 1, -1)  # the last one is that of -1
        place[used] = np.arange(len(used))
        return PairRows(
            self.texts.take(used),
            place[first],
            place[second],
            None if self.negatives is None else place[negatives],
            None if self.scores is None else self.scores[kept],
        )


def _equals(texts: Sequences) -> Rows64:
    """The first text that is equal to each, [n]."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(texts[row].tobytes(), row) for row in range(len(texts))])


@dataclass(frozen=True, eq=False)
class Partners:
    """lists: of each text those that belong to it, itself among them."""

    lists: Sequences

    @classmethod
    def of(cls, pairs: PairRows) -> "Partners":
        """From both sides of all pairs."""
        n, all_texts = len(pairs.texts), np.arange(len(pairs.texts))
        one = np.concatenate([pairs.first, pairs.second, all_texts])
        other = np.concatenate([pairs.second, pairs.first, all_texts])
        keys = np.unique(one * n + other)
        sizes = np.bincount(keys // n, minlength=n)
        return cls(Sequences((keys % n).astype(np.int32), offsets_of(sizes)))

    def among(self, rows: Rows64, candidates: Rows64) -> Mask:
        """Whether each of `candidates` [m] belongs to each of `rows` [n]; bool [n, m]."""
        mine = self.lists.take(rows)
        order = np.argsort(candidates)
        begin, end = (
            np.searchsorted(candidates[order], mine.values, side) for side in ("left", "right")
        )
        found = np.zeros((len(rows), len(candidates)), np.bool_)
        found[np.repeat(mine.owners(), end - begin), order[ranges(begin, end - begin)]] = True
        return found
