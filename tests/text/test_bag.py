"""Bags against a slow version of themselves, and scikit-learn's cosines of n-grams."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from recembed.arrays import unit
from recembed.errors import DataError
from recembed.progress import QUIET
from recembed.protocols import Machine
from recembed.settings import change
from recembed.text.bag import Bag
from recembed.text.bag_encoder import BagEncoder
from recembed.text.pairs import TextPairs
from recembed.text.rarity import rarity_of
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens

ONE = Machine(threads=1)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "while", "sails", "and", "sailing", "ships", "sank"]
SPELLED = change(Bag(), {"meaning": 0.0})
drawn = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1)


def made(setting, texts):
    return setting.fit(Texts(held=texts), machine=ONE)


@given(drawn)
def test_a_word_is_as_rare_as_the_texts_that_have_it_are(texts):
    texts = [*texts, "the cat"]
    found = rarity_of(Texts(held=texts), Tokens(), SPELLED.grams, QUIET)
    counts = Counter(word for text in texts for word in {*text.split()})
    wanted = [np.log((1 + len(texts)) / (1 + count)) + 1 for count in map(counts.get, counts)]
    ones = [count == 1 for count in counts.values()]
    got = found.of_words([*counts])
    unheard = np.log(1 + len(texts)) + 1
    np.testing.assert_allclose(got, np.where(ones, unheard, wanted), rtol=1e-6)
    assert found.n == len(texts)


def test_the_cosine_of_spellings_is_that_of_their_n_grams():
    texts = [" ".join(WORDS[at : at + 3]) for at in range(len(WORDS) - 2)] * 2
    encoder = made(replace(SPELLED, spelling=1 << 14, power=2.0), texts)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(WORDS)
    words = grams.transform(WORDS).toarray()
    names = [name.replace(" ", "<", 1) if name[0] == " " else name for name in grams.vocabulary_]
    names = [name[:-1] + ">" if name[-1] == " " else name for name in names]
    buckets = np.array([_bucket(name) for name in names])
    idf = np.empty(len(names))
    idf[[*grams.vocabulary_.values()]] = encoder.rarity.of_grams(buckets)
    weighed = unit((words * idf).astype(np.float32))
    asked = ["the cat sat", "a mat sank", "sails sailing", "ships ships ships", "the the sails"]
    sums = np.stack(
        [
            sum(
                weighed[WORDS.index(word)] * encoder.rarity.of_words([word])[0] ** 2
                for word in {*text.split()}
            )
            for text in asked
        ]
    )
    wanted = unit(sums) @ unit(sums).T
    found = encoder.encode(asked)
    np.testing.assert_allclose(found @ found.T, wanted, atol=0.04)  # 5 standard errors


def _bucket(gram):
    h = 2166136261
    for byte in gram.encode():
        signed = byte - 256 if byte > 127 else byte
        h = ((h ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return np.int32(h % ((1 << 31) - 1))


def test_both_parts_have_their_share_of_the_cosine(topics):
    words = [*topics.values()]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(words[at % len(words)])[:6]) for at in range(300)]
    setting = change(Bag(), {"meaning": 0.4, "words.dim": 8, "words.method.epochs": 2})
    encoder = made(setting, texts)
    first, second = encoder.encode([texts[0], f"{texts[1]} unheard-of"])
    for vector in (first, second):
        assert vector[:8] @ vector[:8] == pytest.approx(0.4, abs=1e-5)
        assert vector[8:] @ vector[8:] == pytest.approx(0.6, abs=1e-5)
    new = encoder.encode(["unheard-of"])[0]  # it has no meaning: its spelling is all
    assert not new[:8].any()
    assert new @ new == pytest.approx(1, abs=1e-5)
    none = change(setting, {"removed": 3}).fit(Texts(held=texts), machine=ONE)
    left = none.encode(texts)[:, :8].astype(np.float64)
    assert np.linalg.matrix_rank(left.T @ left, tol=1e-4) == 5


def test_threads_and_the_order_of_questions_change_nothing(topics):
    texts = [" ".join(words) for words in topics.values()] * 30
    one = made(SPELLED, texts)
    two = BagEncoder(one.parts, one.rarity, one.meanings, one.vectors, Machine(threads=3))
    asked = [*texts, "", "something new", "the cat"]
    assert one.encode(asked).tobytes() == two.encode(asked).tobytes()
    assert one.encode(asked[::-1])[::-1].tobytes() == two.encode(asked).tobytes()


def test_words_that_are_kept_ready_are_bounded(monkeypatch):
    monkeypatch.setattr("recembed.text.bag_encoder.SEEN", 5)
    encoder = made(SPELLED, ["the cat sat", "the mat sank"])
    fresh = made(SPELLED, ["the cat sat", "the mat sank"])
    for at in range(20):
        text = f"new{at} words{at} the"
        assert encoder.encode([text]).tobytes() == fresh.encode([text]).tobytes()
        assert len(encoder._table) <= 5 + 3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"spelling": 100}, "spelling is a multiple of 64"),
        ({"min_n": 5}, "min_n 5 is above max_n 4"),
        ({"words.tokens.phrases": 1}, "a bag has no phrases"),
        ({"words.dim": 4, "removed": 4}, "would leave nothing of a meaning of words.dim 4"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, says):
    with pytest.raises(DataError, match=says):
        change(Bag(), values)


def test_a_meaning_that_lies_in_what_is_removed_is_none():
    encoder = made(SPELLED, ["the cat sat", "the mat sank"])
    directions = unit(np.random.default_rng(0).normal(size=(1, 9)).astype(np.float32))
    vectors = np.concatenate([directions, -directions, unit(directions + 0.1)])
    meant = {"the": 0, "cat": 1, "mat": 2}
    left = BagEncoder(encoder.parts, encoder.rarity, meant, vectors, ONE).without(directions)
    assert left.vectors.any(axis=1).tolist() == [False, False, True]


def test_texts_without_words_are_refused():
    with pytest.raises(DataError, match="no word in the texts"):
        made(SPELLED, ["!?", "..."])


def test_pairs_with_scores_teach_which_words_go_together():
    """Two words of each pair mean the same and are spelled differently; others are as unlike."""
    names = ["gul", "hav", "brod", "tre", "hest", "fugl", "bil", "sol"]
    others = ["yellow", "sea", "bread", "wood", "horse", "bird", "car", "sun"]
    texts = [f"{one} {name}" for one in ["a", "b", "c", "d"] for name in [*names, *others]]
    pairs = [
        (f"{x} {one}", f"{y} {two}", float(at == to))
        for at, one in enumerate(names)
        for to, two in enumerate(others)
        for x, y in ("ab", "cd", "ad")
    ]
    first, second, scores = (list(column) for column in zip(*pairs, strict=True))
    given = TextPairs(first, second, np.array(scores, np.float32))
    setting = change(SPELLED, {"tune.epochs": 20, "tune.batch_size": 32, "dropout": 0.2})
    plain = made(setting, texts)
    tuned = setting.fit(Texts(held=texts), pairs=given, machine=ONE)
    again = setting.fit(Texts(held=[]), pairs=given, start=plain, machine=ONE)
    assert tuned.encode(texts).tobytes() == again.encode(texts).tobytes()
    restored = setting.restore(tuned.arrays(), ONE)
    assert restored.encode(texts).tobytes() == tuned.encode(texts).tobytes()

    def right(encoder):
        cosines = encoder.encode(names) @ encoder.encode(others).T
        return np.mean(cosines.argmax(1) == np.arange(len(names)))

    assert right(tuned) == 1.0
    assert right(plain) < 0.7
    other = replace(setting, spelling=256)
    with pytest.raises(DataError, match="a bag of the same setting"):
        other.fit(Texts(held=texts), pairs=given, start=plain, machine=ONE)
