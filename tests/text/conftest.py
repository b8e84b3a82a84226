"""A small corpus with planted topics, and vectors by hand."""

import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.text.word_model import WordModel

TOPICS = {
    "sea": ["ship", "sail", "wave", "harbour", "anchor", "captain", "mast", "tide"],
    "bread": ["oven", "flour", "crust", "baker", "loaf", "dough", "yeast", "knead"],
    "music": ["violin", "chord", "melody", "singer", "drum", "rhythm", "opera", "flute"],
}


@pytest.fixture(scope="session")
def topics():
    """Topic -> its words."""
    return TOPICS


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The path of a corpus whose sentences are each about one topic, between function words."""
    random = np.random.default_rng(0)
    lines = []
    for _ in range(3000):
        words = random.choice(TOPICS[random.choice([*TOPICS])], 6).tolist()
        words.insert(int(random.integers(6)), "the")
        lines.append(" ".join(words).capitalize() + ".")
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def model_of():
    """Words -> vectors, as a model; known: all, or a mask."""

    def make(vectors, known=None):
        table = np.array([*vectors.values()], np.float32)
        known = np.ones(len(table), np.bool_) if known is None else np.array(known)
        return WordModel(Embeddings(Vocabulary([*vectors], "word"), table, known, "cosine"))

    return make
