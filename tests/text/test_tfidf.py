"""TF-IDF: against scikit-learn's own, by hand, and what it refuses."""

import re

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.settings import change
from recembed.text import tfidf
from recembed.text.pairs import TextPairs
from recembed.text.texts import Texts
from recembed.text.tfidf import Characters, TfIdf, TfIdfEncoder, Words

text_features = pytest.importorskip("sklearn.feature_extraction.text")

TEXTS = [
    "The ship sails at dawn",
    "A ship sailed, and another ship sank",
    "Bakers bake bread at dawn",
    "Bread and butter, bread and salt",
    "the baker's dawn",
]


def fit(*texts, **values):
    return TfIdf(**values).fit(Texts(held=texts))


@pytest.mark.parametrize(
    ("terms", "options"),
    [
        (Characters(2, 4), {"analyzer": "char_wb", "ngram_range": (2, 4)}),
        (Words(1, 2), {"token_pattern": r"\w+(?:'\w+)*", "ngram_range": (1, 2)}),
    ],
)
@pytest.mark.parametrize(
    ("counts", "counted"),
    [("once", {"binary": True}), ("log", {"sublinear_tf": True}), ("all", {})],
)
@pytest.mark.parametrize("min_count", [1, 2])
def test_weights_are_those_of_scikit_learn(terms, options, counts, counted, min_count):
    encoder = fit(*TEXTS, terms=terms, counts=counts, min_count=min_count, dim=0)
    new = [*TEXTS, "a ship of bread and bread", "nothing known: 42"]
    written, asked = TEXTS, new
    if isinstance(terms, Characters):  # what is no character of a word
        written, asked = ([re.sub(r"[^\w ]", "", text) for text in texts] for texts in (TEXTS, new))
    theirs = text_features.TfidfVectorizer(**options, **counted, min_df=min_count).fit(written)
    order = [theirs.vocabulary_[term] for term in encoder.terms]
    assert sorted(order) == list(range(len(theirs.vocabulary_)))
    np.testing.assert_allclose(
        encoder.encode(new), theirs.transform(asked).toarray()[:, order], atol=1e-6
    )


def test_characters_are_those_of_words_by_hand():
    encoder = fit("Mother-in-law's!", "(oh)", terms=Characters(3, 4), dim=0)
    assert {*encoder.terms} >= {" in", "in ", " in ", "laws", "oh ", " oh "}
    assert not any("-" in term or "'" in term or "(" in term for term in encoder.terms)
    assert not {"r i", "n l"} & {*encoder.terms}


def test_a_rare_word_weighs_more_by_hand():
    encoder = fit("a b", "a c", terms=Words(), dim=0)
    assert encoder.terms == ["a", "b", "c"]  # the most frequent first, then by name
    common, rare = 1.0, np.log(3 / 2) + 1
    norm = np.hypot(common, rare)
    np.testing.assert_allclose(
        encoder.encode(["b a", "A", "d"]),
        [[common / norm, rare / norm, 0], [1, 0, 0], [0, 0, 0]],
        atol=1e-6,
    )


def test_axes_are_those_of_an_exact_decomposition():
    rng = np.random.default_rng(0)
    words = [f"w{at}" for at in range(30)]
    texts = [" ".join(rng.choice(words[part * 10 :][:12], 8)) for part in rng.integers(3, size=90)]
    plain = fit(*texts, terms=Words(), dim=0).encode(texts)
    encoder = fit(*texts, terms=Words(), dim=3)
    _, _, axes = np.linalg.svd(plain)
    exact = plain @ axes[:3].T
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    ours = encoder.encode(texts)
    assert ours.shape == (90, 3)
    np.testing.assert_allclose(ours @ ours.T, exact @ exact.T, atol=1e-3)


def test_all_axes_keep_the_cosines_of_the_texts_learned_from():
    plain, turned = fit(*TEXTS, dim=0).encode(TEXTS), fit(*TEXTS, dim=256).encode(TEXTS)
    assert turned.shape[1] == len(TEXTS)  # there are no more
    np.testing.assert_allclose(turned @ turned.T, plain @ plain.T, atol=1e-5)


def test_of_many_texts_axes_are_found_from_some_all_over(monkeypatch):
    texts = [f"ship sail {at}" for at in range(40)] + [f"oven loaf {at}" for at in range(40, 80)]
    seen, weights = [], TfIdfEncoder.weights
    monkeypatch.setattr(tfidf, "ENOUGH", 10)
    monkeypatch.setattr("recembed.text.texts.MANY", 7)  # lists end between those that are taken
    monkeypatch.setattr(
        TfIdfEncoder, "weights", lambda own, some: [seen.extend(some), weights(own, some)][1]
    )
    encoder = fit(*texts, terms=Words(), dim=2)
    assert seen == texts[::8]
    assert encoder.encode(["ship"]) @ encoder.encode(["loaf"]).T < 0.1
    assert encoder.encode(["ship"]) @ encoder.encode(["sail"]).T > 0.9


def test_only_the_most_frequent_terms_are_kept():
    texts = ["a b c", "b c", "c d", "a"]
    assert fit(*texts, terms=Words(), max_vocabulary=2).terms == ["c", "a"]
    assert fit(*texts, terms=Words(), min_count=2).terms == ["c", "a", "b"]


def test_texts_are_normalised_before_anything_else():
    encoder = fit("Caf\u00e9 au lait", "CAFE\u0301 noir", terms=Words())
    assert encoder.terms == ["caf\u00e9", "au", "lait", "noir"]
    plain = change(TfIdf(terms=Words()), {"normal.accents": "strip", "normal.case": "keep"})
    assert plain.fit(Texts(held=["Caf\u00e9 caf\u00e9"])).terms == ["Cafe", "cafe"]


@pytest.mark.parametrize(
    ("texts", "values", "message"),
    [
        (["", " "], {}, "no terms in the texts: is it text"),
        (["!?", "..."], {}, "is it text"),
        (
            ["a b", "c"],
            {"terms": Words(), "min_count": 2},
            "none of 3 is in 2 texts",
        ),
    ],
)
def test_texts_without_terms_are_refused(texts, values, message):
    with pytest.raises(DataError, match=message):
        fit(*texts, **values)


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_terms_cannot_end_before_they_begin(kind):
    with pytest.raises(DataError, match="min_n 3 is above max_n 2"):
        change(TfIdf(), {"terms": kind, "terms.min_n": 3, "terms.max_n": 2})
    wide = change(TfIdf(), {"terms": kind, "terms.min_n": 6, "terms.max_n": 7})
    assert (wide.terms.min_n, wide.terms.max_n) == (6, 7)


def test_pairs_and_other_encoders_teach_it_nothing():
    encoder = fit(*TEXTS)
    for given in ({"pairs": TextPairs(["a"], ["b"])}, {"start": encoder}):
        with pytest.raises(DataError, match="tf-idf does not learn from pairs"):
            TfIdf().fit(Texts(held=TEXTS), **given)


def test_arrays_that_do_not_fit_together_are_refused():
    arrays = fit(*TEXTS, dim=2).arrays()
    for name in ("idf", "axes"):
        with pytest.raises(DataError, match="do not fit together"):
            TfIdf(dim=2).restore(arrays | {name: arrays[name][1:]})
