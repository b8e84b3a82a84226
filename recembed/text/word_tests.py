"""What word vectors are worth: similarity as people judge it, and analogies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, blocks, unit
from recembed.text.word_lists import Pairs, Questions
from recembed.text.word_model import WordModel

MEMORY = 1 << 26  # bytes of scores at once


@dataclass(frozen=True)
class Similarity:
    """Spearman's rank correlation of cosines with people's scores.

    unknown: pairs with a word that has no vector. spearman: of the others. spearman_all: of all,
    where the unknown pairs are scored 0, as if nothing were alike: a vocabulary that leaves the
    hard words out gains nothing by it. None where there are not two different scores.
    """

    test: str
    pairs: int
    unknown: int
    spearman: float | None
    spearman_all: float | None


@dataclass(frozen=True)
class Analogies:
    """Questions answered by the word itself. unknown: those with a word outside the vocabulary."""

    test: str
    questions: int
    unknown: int
    right: int
    categories: "tuple[Analogies, ...]" = ()

    @property
    def accuracy(self) -> float | None:
        """The share of right answers among the questions whose words are all known."""
        asked = self.questions - self.unknown
        return self.right / asked if asked else None


def similarity(model: WordModel, test: Pairs) -> Similarity:
    """Compare cosines with people's scores; unknown words count as their n-grams say, if any."""
    first, first_known = model.vectors(test.first)
    second, second_known = model.vectors(test.second)
    known = first_known & second_known
    cosines = np.einsum("ij,ij->i", unit(first), unit(second))
    return Similarity(
        test.name,
        len(known),
        int(np.count_nonzero(~known)),
        _spearman(cosines[known], test.scores[known]),
        _spearman(np.where(known, cosines, 0), test.scores),
    )


def _spearman(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> float | None:
    if len(np.unique(found)) < 2 or len(np.unique(wanted)) < 2:
        return None
    from scipy.stats import spearmanr  # half a second, only where it is used

    return float(spearmanr(found, wanted).statistic)


def analogies(model: WordModel, test: Questions, most_frequent: int | None = None) -> Analogies:
    """Answer "a is to b as c is to ?" by 3CosAdd among the vocabulary, but for a, b and c.

    most_frequent: ask and answer with so many words only, as papers do (30,000).
    Source: Mikolov, Yih, Zweig 2013, Linguistic Regularities, section 4.
    """
    limit = min(len(model.words.vocabulary), most_frequent or len(model.words.vocabulary))
    rows = np.stack([model.rows(column) for column in test.columns], axis=1)  # [n, 4]
    known: Mask = np.all((rows >= 0) & (rows < limit), axis=1)
    right = np.zeros(len(rows), np.bool_)
    right[known] = _answers(model, rows[known, :3], limit) == rows[known, 3]
    each = [
        _counted(name, known[test.category == code], right[test.category == code])
        for code, name in enumerate(test.categories)
    ]
    total = _counted(test.name, known, right)
    return Analogies(total.test, total.questions, total.unknown, total.right, tuple(each))


def _counted(name: str, known: Mask, right: Mask) -> Analogies:
    return Analogies(name, len(known), int(np.count_nonzero(~known)), int(np.count_nonzero(right)))


def _answers(model: WordModel, asked: Rows, limit: int) -> Rows:
    """The nearest word to b - a + c for each question [n, 3], [n]."""
    vectors = unit(model.words.vectors[:limit])
    unknown = np.flatnonzero(~model.words.known[:limit])
    found = np.empty(len(asked), np.int32)
    for block in blocks(len(asked), 4 * limit, MEMORY):
        a, b, c = asked[block].T
        scores = (vectors[b] - vectors[a] + vectors[c]) @ vectors.T  # [block, limit]
        scores[:, unknown] = -np.inf
        np.put_along_axis(scores, asked[block].astype(np.int64), np.float32(-np.inf), axis=1)
        found[block] = scores.argmax(axis=1)
    return found
