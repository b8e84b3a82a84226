"""Pairs as numbers: equal texts are one, and who belongs to whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.training.texts.pairs import PairRows, Partners


def told(pairs):
    """Pairs as tuples of the texts themselves."""
    texts = [tuple(pairs.texts[row].tolist()) for row in range(len(pairs.texts))]
    columns = [[texts[row] for row in rows] for rows in (pairs.first, pairs.second)]
    if pairs.negatives is not None:
        columns.append([None if row < 0 else texts[row] for row in pairs.negatives])
    return list(zip(*columns, strict=True))


def rows(*values):
    return np.array(values, np.int64)


def test_equal_texts_become_one_and_pairs_of_empty_texts_go():
    texts = Sequences.of([[1, 2], [3], [], [1, 2], [9], [3], []])
    scores = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    cleaned = PairRows(
        texts, rows(0, 1, 3, 5), rows(1, 2, 5, 3), rows(2, 0, -1, 4), scores
    ).cleaned()
    assert told(cleaned) == [((1, 2), (3,), None), ((1, 2), (3,), None), ((3,), (1, 2), (9,))]
    assert len(cleaned.texts) == 3  # each once, none that no pair has
    assert cleaned.scores.tolist() == scores[[0, 2, 3]].tolist()
    assert cleaned.first.dtype == cleaned.negatives.dtype == np.int64


def test_what_is_not_given_stays_away():
    cleaned = PairRows(Sequences.of([[1], [2]]), rows(0), rows(1)).cleaned()
    assert cleaned.negatives is None
    assert cleaned.scores is None


def test_pairs_without_any_words_are_refused():
    pairs = PairRows(Sequences.of([[1], []]), rows(0, 1), rows(1, 0))
    with pytest.raises(DataError, match="no pair has words in both its texts"):
        pairs.cleaned()


def test_a_text_and_itself_stand_there_once():
    texts = Sequences.of([[4], [], [4], [5, 4], [4]])
    cleaned = PairRows.themselves(texts).cleaned()
    assert told(cleaned) == [((4,), (4,)), ((5, 4), (5, 4))]


TEXTS = 7
PLACES = st.integers(0, TEXTS - 1)


@given(
    st.lists(st.tuples(PLACES, PLACES), min_size=1),
    st.lists(PLACES),
    st.lists(PLACES),
)
def test_partners_are_those_of_either_side_and_oneself(pairs, asked, candidates):
    first, second = np.array(pairs, np.int64).T
    partners = Partners.of(PairRows(Sequences.of([[i] for i in range(TEXTS)]), first, second))
    known = {*pairs, *((b, a) for a, b in pairs), *((i, i) for i in range(TEXTS))}
    found = partners.among(rows(*asked), rows(*candidates))
    assert found.shape == (len(asked), len(candidates))
    assert found.tolist() == [[(a, b) in known for b in candidates] for a in asked]
