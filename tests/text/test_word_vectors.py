"""Training on a corpus with planted topics."""

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.protocols import Machine
from recembed.settings import change
from recembed.text.texts import Texts
from recembed.text.word2vec import Word2Vec
from recembed.text.word_vectors import WordVectors

ONE = Machine(threads=1)
QUICK = {
    "dim": 8,
    "method.negatives": 3,
    "method.subsample": 0.01,
    "method.epochs": 8,
    "method.learning_rate": 0.05,
}
KINDS = {
    "skip-gram": QUICK,
    "pair by pair": QUICK | {"method.sharing": "pair"},
    "cbow": QUICK | {"method.architecture": "cbow", "method.learning_rate": 0.2},
    "subwords": QUICK | {"method.subwords.max_n": 4},
    "glove": {"dim": 8, "method": "glove", "method.window": 3, "method.epochs": 30},
}


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_a_topic_are_nearest_to_each_other(corpus, topics, kind):
    model = change(WordVectors(), KINDS[kind]).fit(Texts.of(corpus), seed=1, machine=ONE)
    assert len(model.words.vocabulary) == 25
    right = 0
    for words in topics.values():
        for word, near in zip(words, model.nearest(words, 7), strict=True):
            right += len({each.word for each in near} & {*words} - {word})
    assert right / (24 * 7) > 0.9  # by chance: 7/24


@pytest.mark.parametrize("kind", ["skip-gram", "glove"])
def test_one_seed_and_one_thread_give_the_same_bytes_another_seed_does_not(corpus, kind):
    estimator = change(WordVectors(), KINDS[kind] | {"method.epochs": 1})
    one, same, other = (
        estimator.fit(Texts.of(corpus), seed=seed, machine=ONE).words.vectors.tobytes()
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_what_was_stored_is_the_model_with_unknown_words_too(corpus):
    estimator = change(WordVectors(), KINDS["subwords"] | {"method.epochs": 1})
    model = estimator.fit(Texts.of([corpus]), machine=ONE)
    again = estimator.restore(model.words.vocabulary, model.arrays(), ONE)
    words = ["ship", "shipping", "Baker", "bakery", "qqq"]
    for found, wanted in zip(again.vectors(words), model.vectors(words), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert model.vectors(words)[1].tolist() == [True, True, True, True, False]
    np.testing.assert_array_equal(again.counts, model.counts)


def test_words_are_asked_as_the_corpus_was_written():
    held = Texts(held=["Caf\u00e9 noir", "cafe\u0301 blanc", "caf\u00e9 noir"] * 10)
    values = QUICK | {"tokens.normal.accents": "strip"}
    estimator = change(WordVectors(), values)
    model = estimator.fit(held, seed=1, machine=ONE)
    kept = estimator.restore(model.words.vocabulary, model.arrays())
    asked = ["CAF\u00c9", "Cafe\u0301", "cafe", "tea"]
    for each in (model, kept):
        rows = each.rows(asked).tolist()
        assert rows[:3] == [rows[2]] * 3
        assert (rows[2] >= 0, rows[3]) == (True, -1)


def test_an_unknown_word_stands_near_those_it_is_spelt_like(corpus, topics):
    model = change(WordVectors(), KINDS["subwords"]).fit(Texts.of(corpus), machine=ONE)
    for word, topic in (("sailing", "sea"), ("bakers", "bread"), ("singers", "music")):
        near = [each.word for each in model.nearest([word], 5)[0]]
        assert {*near} <= {*topics[topic]}, word


def test_a_word_that_always_stands_alone_has_no_vector(tmp_path):
    (tmp_path / "text").write_text("alone\n" * 9 + "some words\n" * 9)
    model = change(WordVectors(), QUICK).fit(Texts.of(tmp_path / "text"), machine=ONE)
    assert model.words.vocabulary.ids.to_pylist() == ["alone", "some", "words"]
    assert model.words.known.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\ntwo\n" * 9, "no sequence has two items"),
        ("word word\n" * 9, "'word' is the only word"),
        ("word rare\n" + "word\n" * 9, "'word' is the only word"),
    ],
)
def test_a_corpus_without_two_words_beside_each_other_is_refused(tmp_path, text, message):
    (tmp_path / "text").write_text(text)
    with pytest.raises(DataError, match=rf"{message}.* nothing to learn from"):
        WordVectors().fit(Texts.of(tmp_path / "text"), machine=ONE)


def test_a_line_of_many_words_is_learned_from(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "text").write_text(" ".join(random.choice(list("abcde"), 200_000)))
    model = change(WordVectors(), QUICK | {"method.epochs": 1}).fit(
        Texts.of(tmp_path / "text"), machine=ONE
    )
    assert model.counts.sum() == 200_000
    assert np.isfinite(model.words.vectors).all()


def test_the_step_size_is_word2vecs_for_each_architecture():
    for kind, rate in (("skip-gram", 0.025), ("cbow", 0.05)):
        setting = Word2Vec(architecture=kind).engine(8)
        assert (setting.architecture, setting.learning_rate) == (kind, rate)
    assert Word2Vec(learning_rate=0.1).engine(8).learning_rate == 0.1
