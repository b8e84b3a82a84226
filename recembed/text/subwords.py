"""Character n-grams: words that share parts of their spelling share a part of their vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recembed.arrays import Mask, Rows, Vectors, offsets_of
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.settings import check, setting


@dataclass(frozen=True)
class Subwords:
    """The n-grams of a word between < and >, hashed into buckets.

    Source: Bojanowski, Grave, Joulin, Mikolov 2017 (arXiv 1607.04606); hashes are fastText's.
    """

    min_n: int = setting(3, "shortest n-gram, in characters", low=1, high=64)
    max_n: int = setting(
        0, "longest n-gram; 0: words are learned whole (fastText: 6)", low=0, high=64
    )
    buckets: int = setting(2_000_000, "n-grams with the same hash share a vector", low=1)

    def __post_init__(self) -> None:
        check(self)
        if self.max_n and self.max_n < self.min_n:
            raise DataError(f"max_n must be at least min_n ({self.min_n}) or 0, not {self.max_n}")

    def of(self, words: Sequence[str]) -> Sequences:
        """The bucket of each n-gram of each word; one that stands twice counts twice."""
        from recembed.text.ngrams import write_buckets  # Numba: only where words are taken apart

        spelled = [f"<{word}>".encode() for word in words]
        data = np.frombuffer(b"".join(spelled), np.uint8)
        offsets = offsets_of(np.array([len(word) for word in spelled], np.int64))
        most = len(data) * max(0, self.max_n - self.min_n + 1)  # each begins at a byte
        found, sizes = np.empty(most, np.int32), np.empty(len(words), np.int64)
        write_buckets(data, offsets, self.min_n, self.max_n, self.buckets, found, sizes)
        return Sequences(found[: sizes.sum()].copy(), offsets_of(sizes))


@dataclass(frozen=True, eq=False)
class NGrams:
    """The rows of a table of words and n-grams: words first, then the buckets that words have.

    buckets: int32 [n_ngrams], ascending. A bucket that no word of the vocabulary falls into is
    never trained, so it has no row.
    """

    setting: Subwords
    n_words: int
    buckets: Rows

    @classmethod
    def among(cls, setting: Subwords, words: Sequence[str]) -> tuple["NGrams", Sequences]:
        """The table's rows, and the bag of each word: its own row, then those of its n-grams."""
        grams = setting.of(words)
        buckets, rows = np.unique(grams.values, return_inverse=True)
        places = grams.offsets[:-1]
        values = np.insert(rows + len(words), places, np.arange(len(words))).astype(np.int32)
        bags = Sequences(values, grams.offsets + np.arange(len(words) + 1))
        return cls(setting, len(words), buckets), bags

    def __len__(self) -> int:
        return self.n_words + len(self.buckets)

    def rows(self, words: Sequence[str]) -> Sequences:
        """The rows of the n-grams that words outside the vocabulary share with it."""
        grams = self.setting.of(words)
        at = np.searchsorted(self.buckets, grams.values)
        known = at < len(self.buckets)
        known[known] = self.buckets[at[known]] == grams.values[known]
        shared = Sequences((at + self.n_words).astype(np.int32), grams.offsets)
        return shared.keep(known)


@dataclass(frozen=True, eq=False)
class NGramVectors:
    """What was learned about spelling: vectors float32 [n_ngrams, dim], one a bucket."""

    ngrams: NGrams
    vectors: Vectors

    def of(self, words: Sequence[str]) -> tuple[Vectors, Mask]:
        """Vectors of words outside the vocabulary [n, dim], and whether they have any n-gram."""
        rows = self.ngrams.rows(words)
        bags = Sequences(rows.values - np.int32(self.ngrams.n_words), rows.offsets)
        return bag_means(self.vectors, bags), rows.sizes > 0


def bag_means(table: Vectors, bags: Sequences) -> Vectors:
    """The mean of the rows of each bag [n, dim], zeros for an empty one."""
    import scipy.sparse as sp

    weights = np.repeat(1 / np.maximum(bags.sizes, 1), bags.sizes).astype(np.float32)
    matrix = sp.csr_matrix(
        (weights, bags.values, bags.offsets), shape=(len(bags), len(table)), copy=False
    )
    means: Vectors = matrix @ table
    return means
