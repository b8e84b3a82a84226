"""Vectors of words: looked up, compared, and put together for words that are not known."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors, unit
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import THIS_MACHINE, Arrays, Machine, TopK
from recembed.search.exact import ExactIndex
from recembed.text.normal import Normal
from recembed.text.subwords import NGramVectors

SPELT = 50_000  # words, the most frequent, that close spellings are looked for in


@dataclass(frozen=True)
class Neighbour:
    """One word of a list. score: cosine."""

    word: str
    score: float


@dataclass(frozen=True, eq=False)
class WordModel:
    """words: the most frequent first. counts: int64 [n_words]; None where a file has none.

    ngrams: what unknown words are put together from; None where words were learned whole. normal:
    how words are written, those that are asked, too; None where a file does not tell.
    """

    words: Embeddings
    counts: NDArray[np.int64] | None = None
    ngrams: NGramVectors | None = None
    machine: Machine = THIS_MACHINE
    normal: Normal | None = None

    @cached_property
    def lowercased(self) -> bool:
        """Whether no word has a capital: then words are looked up in lower case, too."""
        ids = self.words.vocabulary.ids
        return bool(pc.all(pc.equal(pc.utf8_lower(ids), ids)).as_py())

    def rows(self, words: Sequence[str]) -> Rows:
        """The row of each word, -1 where it is not in the vocabulary or was never trained."""
        rows = self.words.vocabulary.rows([self._spelt(word) for word in words])
        return np.where(self.words.known[rows], rows, np.int32(-1))

    def vectors(self, words: Sequence[str]) -> tuple[Vectors, Mask]:
        """The vector of each word [n, dim], and whether it has one."""
        rows = self.rows(words)
        found, known = self.words.vectors[rows], rows >= 0
        found[~known] = 0
        if self.ngrams is not None and not known.all():
            unknown = np.flatnonzero(~known)
            found[unknown], known[unknown] = self.ngrams.of(
                [self._spelt(words[at]) for at in unknown.tolist()]
            )
        return found, known

    def nearest(self, words: Sequence[str], k: int = 10) -> list[list[Neighbour]]:
        """The k words nearest to each word, by cosine.

        Raises: DataError if a word has no vector (with close spellings), or k is below 1.
        """
        return self._listed(self._index.search(self._known(words), k, exclude=self._own(words)))

    def analogy(self, a: str, b: str, c: str, k: int = 10) -> list[Neighbour]:
        """The k words that are to c what b is to a, by 3CosAdd; a, b and c are no answer.

        Raises: DataError if a word has no vector (with close spellings), or k is below 1.
        Source: Mikolov, Yih, Zweig 2013, Linguistic Regularities, section 4.
        """
        first, second, third = unit(self._known([a, b, c]))
        asked = self._own([a, b, c]).values
        exclude = Sequences(asked, np.array([0, len(asked)], np.int64))
        return self._listed(self._index.search((second - first + third)[None], k, exclude=exclude))[
            0
        ]

    def arrays(self) -> Arrays:
        """Everything that is needed to restore it, beside the words."""
        own: Arrays = {"vectors": self.words.vectors, "known": self.words.known}
        if self.counts is not None:
            own["counts"] = self.counts
        if self.ngrams is not None:
            own |= {"buckets": self.ngrams.ngrams.buckets, "ngrams": self.ngrams.vectors}
        return own

    @cached_property
    def _index(self) -> ExactIndex:
        return ExactIndex(self.words, self.machine)

    def _spelt(self, word: str) -> str:
        if self.normal is not None:
            return self.normal(word)
        return word.lower() if self.lowercased else word

    def _known(self, words: Sequence[str]) -> Vectors:
        vectors, known = self.vectors(words)
        if not known.all():
            word = words[int(np.argmin(known))]
            if self.words.vocabulary.rows([self._spelt(word)])[0] >= 0:
                raise DataError(
                    f"the word {word!r} never stood beside another word: it has no vector"
                )
            raise DataError(f"the word {word!r} is unknown; {self._close(self._spelt(word))}")
        return vectors

    def _close(self, word: str) -> str:
        rows = np.flatnonzero(self.words.known)[:SPELT].astype(np.int32)
        common = self.words.vocabulary.take(rows).to_pylist()
        spelt = {each.lower(): each for each in reversed(common)}  # the most frequent spelling
        near = [spelt[one] for one in difflib.get_close_matches(word.lower(), spelt, 3)]
        return f"there is {', '.join(near)}" if near else "no word is spelt like it"

    def _own(self, words: Sequence[str]) -> Sequences:
        """The row of each word, nothing where it is outside the vocabulary."""
        rows = self.rows(words)
        return Sequences.of([[row] if row >= 0 else [] for row in rows.tolist()])

    def _listed(self, top: TopK) -> list[list[Neighbour]]:
        lists = []
        for rows, scores in zip(top.rows, top.scores.tolist(), strict=True):
            there = self.words.vocabulary.take(rows[rows >= 0]).to_pylist()
            lists.append([Neighbour(*each) for each in zip(there, scores, strict=False)])
        return lists
