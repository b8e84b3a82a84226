"""Texts to vectors: what is counted, cut and refused."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.text import encoding
from recembed.text.encoding import encoded


@dataclass
class Letters:
    """How many of a, b and c a text has; it remembers what it was asked at once."""

    dim = 3
    asked: list = field(default_factory=list)

    def encode(self, texts):
        self.asked.append(list(texts))
        return np.array([[text.count(one) for one in "abc"] for text in texts], np.float32)


def test_empty_unknown_and_cut_texts_are_counted_each_by_itself():
    found = encoded(Letters(), ["abba", "", "xyz", " \n", "ccccc", "xxxxxx"], longest=4)
    assert found.vectors.tolist() == [[2, 2, 0], [0] * 3, [0] * 3, [0] * 3, [0, 0, 4], [0] * 3]
    assert (found.empty, found.unknown, found.cut) == (2, 2, 2)


def test_no_texts_have_no_vectors():
    found = encoded(Letters(), [])
    assert found.vectors.shape == (0, 3)
    assert (found.empty, found.unknown, found.cut) == (0, 0, 0)


def test_few_texts_are_worked_on_at_once(monkeypatch):
    monkeypatch.setattr(encoding, "MEMORY", 100)
    encoder, texts = Letters(), ["a" * (at % 9) for at in range(40)] + ["b" * 1000]
    found = encoded(encoder, texts, longest=50)
    assert np.array_equal(found.vectors, Letters().encode([text[:50] for text in texts]))
    assert [text for some in encoder.asked for text in some] == [text[:50] for text in texts]
    assert all(sum(4 * (len(text) + 3) for text in some) <= 100 for some in encoder.asked[:-1])
    assert encoder.asked[-1] == ["b" * 50]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None, 3], "2 of 3 texts are no text, first: None at place 2"),
        ([b"a"], "1 of 1 text are no text, first: b'a' at place 1"),
        ("abc", "texts are a list"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(texts, message):
    with pytest.raises(DataError, match=message) as caught:
        encoded(Letters(), texts)
    assert "\n" not in str(caught.value)
