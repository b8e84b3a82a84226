"""How rare words and n-grams are: in how few texts they stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors
from recembed.compiled import njit
from recembed.errors import DataError
from recembed.progress import Progress
from recembed.protocols import Arrays
from recembed.text.pieces import Pieces
from recembed.text.subwords import Subwords
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens, Words

RARE = 2  # texts: a word of one text alone is as good as a new one


@dataclass(frozen=True, eq=False)
class Rarity:
    """n: texts that were counted. words, counts int64: those of RARE texts or more.

    grams int32, ascending, and gram_counts int64: the same of n-grams, by bucket; a text counts
    once for each of its words that has the n-gram.
    """

    n: int
    words: list[str]
    counts: NDArray[np.int64]
    grams: Rows
    gram_counts: NDArray[np.int64]

    def of_words(self, words: Sequence[str]) -> Vectors:
        """IDF, smoothed as scikit-learn does it, float32 [len(words)]."""
        found = np.array([self._count.get(word, 0) for word in words], np.float64)
        return self._idf(found)

    def of_grams(self, grams: Rows) -> Vectors:
        """The same of n-grams, by bucket."""
        at = np.minimum(np.searchsorted(self.grams, grams), max(len(self.grams) - 1, 0))
        if not len(self.grams):
            return self._idf(np.zeros(len(grams)))
        found = np.where(self.grams[at] == grams, self.gram_counts[at], 0)
        return self._idf(np.minimum(found, self.n).astype(np.float64))

    def arrays(self) -> Arrays:
        """Everything, by name."""
        counted = json.dumps(self.words, ensure_ascii=False).encode()
        return {
            "texts": np.array([self.n], np.int64),
            "counted": np.frombuffer(counted, np.uint8),
            "counts": self.counts,
            "grams": self.grams,
            "gram_counts": self.gram_counts,
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "Rarity":
        """From `arrays()`. Raises: DataError if they do not fit together."""
        words = json.loads(arrays["counted"].tobytes())
        parts = (arrays["counts"], arrays["grams"], arrays["gram_counts"])
        if len(words) != len(parts[0]) or len(parts[1]) != len(parts[2]):
            raise DataError("words and their counts do not fit together")
        return cls(int(arrays["texts"][0]), words, *parts)

    @cached_property
    def _count(self) -> dict[str, int]:
        return dict(zip(self.words, self.counts.tolist(), strict=True))

    def _idf(self, counts: NDArray[np.float64]) -> Vectors:
        idf: Vectors = (np.log((1 + self.n) / (1 + counts)) + 1).astype(np.float32)
        return idf


def rarity_of(texts: Texts, tokens: Tokens, grams: Subwords, progress: Progress) -> Rarity:
    """Count in how many texts each word stands. Raises: DataError if there is no word."""
    reader = Words(tokens.compiled(), tokens.normal)
    pieces = Pieces(reader)
    counts, last = np.zeros(0, np.int64), np.zeros(0, np.int64)
    n = 1
    with progress.task("counting", texts.size, texts.unit) as task:
        for block in texts.blocks(task):
            rows = pieces.numbers(block)
            if len(reader.words) > len(counts):
                more = (0, 2 * len(reader.words) - len(counts))
                counts, last = np.pad(counts, more), np.pad(last, more)
            n = _count(rows, counts, last, n)
    if not reader.words:
        raise DataError(f"no word in {texts.where}: is it text?")
    words = np.array([*reader.words], object)
    counts = counts[: len(words)]
    found = grams.of(words.tolist())
    buckets, at = np.unique(found.values, return_inverse=True)
    of_grams = np.bincount(at, counts[found.owners()], len(buckets)).astype(np.int64)
    kept, often = counts >= RARE, of_grams >= RARE
    return Rarity(n - 1, words[kept].tolist(), counts[kept], buckets[often], of_grams[often])


@njit(nogil=True, boundscheck=False)
def _count(rows: Any, counts: Any, last: Any, n: int) -> int:
    """Count words, once a text. n: the number of the text that goes on, from 1; returns the next.

    last: the text in which each word was seen last.
    """
    for row in rows:
        if row < 0:
            n += 1
        elif last[row] != n:
            last[row] = n
            counts[row] += 1
    return n
