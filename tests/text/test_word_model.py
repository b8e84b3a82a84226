"""Words looked up and compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.text.subwords import NGrams, NGramVectors, Subwords, bag_means
from recembed.text.word_model import WordModel

ROYALS = {
    "man": [1, 0, 0],
    "woman": [1, 1, 0],
    "king": [2, 0, 2],
    "queen": [2, 2, 2],
    "apple": [-1, 0, 1],
}


def test_nearest_words_are_those_of_the_highest_cosine_without_the_word_itself(model_of):
    (found,) = model_of(ROYALS).nearest(["king"], 2)
    assert [each.word for each in found] == ["queen", "man"]
    np.testing.assert_allclose(
        [each.score for each in found], [8 / np.sqrt(8 * 12), 2 / np.sqrt(8)], rtol=1e-6
    )


def test_an_analogy_is_answered_by_none_of_its_own_words(model_of):
    model = model_of(ROYALS)
    found = model.analogy("man", "king", "woman", 2)
    first, second, third = (
        np.array(ROYALS[word]) / np.linalg.norm(ROYALS[word]) for word in ("man", "king", "woman")
    )
    target = second - first + third
    queen = np.array(ROYALS["queen"])
    cosine = target @ queen / np.linalg.norm(target) / np.linalg.norm(queen)
    assert [each.word for each in found] == ["queen", "apple"]
    assert found[0].score == pytest.approx(cosine, rel=1e-6)


def test_a_vocabulary_without_capitals_is_asked_in_lower_case(model_of):
    lower, mixed = model_of(ROYALS), model_of(ROYALS | {"Paris": [0, 0, 1]})
    assert (lower.lowercased, mixed.lowercased) == (True, False)
    assert lower.rows(["King", "KING", "king", "Kong"]).tolist() == [2, 2, 2, -1]
    assert mixed.rows(["King", "king", "Paris", "paris"]).tolist() == [-1, 2, 5, -1]


def test_a_word_that_was_never_trained_is_unknown_and_never_returned(model_of):
    model = model_of(ROYALS, [True, True, True, False, True])
    vectors, known = model.vectors(["queen", "king", "nobody"])
    assert known.tolist() == [False, True, False]
    assert vectors.tolist() == [[0, 0, 0], [2, 0, 2], [0, 0, 0]]
    assert "queen" not in [each.word for each in model.nearest(["king"], 5)[0]]


def test_an_unknown_word_is_refused_with_close_spellings(model_of):
    model = model_of(ROYALS)
    with pytest.raises(DataError, match="the word 'Womann' is unknown; there is woman, man"):
        model.nearest(["king", "Womann"])
    with pytest.raises(DataError, match="'xyz' is unknown; no word is spelt like it"):
        model.analogy("man", "king", "xyz")
    with pytest.raises(DataError, match="k "):
        model.nearest(["king"], 0)
    mixed = model_of({"Paris": [0, 1], "paris": [1, 0], "Rome": [1, 1]})
    with pytest.raises(DataError, match=r"the word 'PARIS' is unknown; there is Paris$"):
        mixed.nearest(["PARIS"])


def test_an_unknown_word_is_the_mean_of_the_ngrams_it_shares():
    words, setting = ["walk", "talk"], Subwords(max_n=3)
    ngrams, bags = NGrams.among(setting, words)
    table = np.random.default_rng(0).normal(size=(len(ngrams), 4)).astype(np.float32)
    means = bag_means(table, bags)
    for row in range(2):
        np.testing.assert_allclose(means[row], table[bags[row]].mean(axis=0), rtol=1e-6)
    model = WordModel(
        Embeddings(Vocabulary(words, "word"), means, np.ones(2, np.bool_), "cosine"),
        ngrams=NGramVectors(ngrams, table[2:]),
    )
    vectors, known = model.vectors(["Balk", "walk", "xyz"])
    assert known.tolist() == [True, True, False]
    shared = {*bags[0].tolist()} & {*bags[1].tolist()}  # alk, lk>: of both, and of balk
    assert len(shared) == 2
    np.testing.assert_allclose(vectors[0], table[sorted(shared)].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(vectors[1], means[0])
    assert [each.word for each in model.nearest(["balk"], 5)[0]] != []


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=6))
def test_the_mean_of_a_bag_is_its_mean(lists):
    table = np.arange(18, dtype=np.float32).reshape(6, 3)
    means = bag_means(table, Sequences.of(lists))
    for found, rows in zip(means, lists, strict=True):
        np.testing.assert_allclose(found, table[rows].mean(axis=0) if rows else 0, rtol=1e-6)
