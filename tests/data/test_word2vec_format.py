"""word2vec files, both ways against gensim, and what is wrong with them in one line."""

import gzip

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recembed.data.vocabulary import Vocabulary
from recembed.data.word2vec_format import read_word2vec, write_word2vec
from recembed.errors import DataError

WORDS = ["the", "Rose", "\u00e9t\u00e9", "new_york", "\u4e2d", "3.5"]
VECTORS = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
BOTH = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])


def same(found, words=WORDS, vectors=VECTORS):
    assert found.vocabulary.ids.to_pylist() == words
    assert found.vectors.tobytes() == vectors.tobytes()
    assert (found.known.all(), found.metric) == (True, "cosine")


@BOTH
def test_gensim_reads_what_we_write(tmp_path, binary):
    write_word2vec(tmp_path / "ours", Vocabulary(WORDS), VECTORS, binary=binary)
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / "ours"), binary=binary)
    assert theirs.index_to_key == WORDS
    np.testing.assert_array_equal(theirs.vectors, VECTORS)


@BOTH
def test_we_read_what_gensim_writes(tmp_path, binary):
    theirs = KeyedVectors(vector_size=5)
    theirs.add_vectors(WORDS, VECTORS)
    theirs.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
    same(read_word2vec(tmp_path / "theirs"))


@given(
    st.lists(st.text("ab\u00e9\u4e2d.-", min_size=1, max_size=5), min_size=1, unique=True),
    st.integers(1, 4),
    st.booleans(),
    st.data(),
)
def test_what_was_written_is_read_again_to_the_bit(tmp_path_factory, words, dim, binary, data):
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    vectors = data.draw(arrays(np.float32, (len(words), dim), elements=numbers))
    path = tmp_path_factory.mktemp("word2vec") / "vectors"
    write_word2vec(path, Vocabulary(words), vectors, binary=binary)
    same(read_word2vec(path), words, vectors)


def test_the_original_forms_with_a_space_or_no_line_break_behind_a_vector_are_read(tmp_path):
    (tmp_path / "text").write_bytes(b"2 2\r\na 1 2 \r\nnew york 3 -4e0 \r\n")
    same(
        read_word2vec(tmp_path / "text"), ["a", "new york"], np.array([[1, 2], [3, -4]], np.float32)
    )
    vectors = np.array([[1, 2], [3, 4]], "<f4")
    content = b"2 2\na " + vectors[0].tobytes() + b"b " + vectors[1].tobytes()
    (tmp_path / "binary").write_bytes(content)
    same(read_word2vec(tmp_path / "binary"), ["a", "b"], vectors)


def test_numbers_whose_bytes_are_all_letters_are_read_too(tmp_path):
    vectors = np.frombuffer(b"abcdRose\n\n\n\n....", "<f4").reshape(4, 1)
    write_word2vec(tmp_path / "v", Vocabulary(WORDS[:4]), vectors, binary=True)
    same(read_word2vec(tmp_path / "v"), WORDS[:4], vectors)


def test_spaces_become_underscores_and_words_alike_are_refused(tmp_path):
    write_word2vec(tmp_path / "v", Vocabulary(["new  york", "a\u00a0b"]), VECTORS[:2])
    assert read_word2vec(tmp_path / "v").vocabulary.ids.to_pylist() == ["new_york", "a_b"]
    for words in (["new york", "new_york"], ["", "a"]):
        with pytest.raises(DataError, match="alike once spaces become '_'"):
            write_word2vec(tmp_path / "v", Vocabulary(words), VECTORS[:2])


FLOATS = np.ones(4, "<f4").tobytes()
NAN = np.full(2, np.nan, "<f4").tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a 1 2\nb 1 2\n", "its first line has to be two whole numbers"),
        (b"2 -2\na 1 2\n", "its first line has to be two whole numbers"),
        (b"PAR1" + FLOATS, "its first line has to be two whole numbers"),
        (b"9" * 5000 + b" 2\na 1 2\n", "its first line has to be two whole numbers"),
        (gzip.compress(b"1 2\na 1 2\n", mtime=0), "is compressed: unpack it"),
        (b"0 2\n", "0 words and vectors of length 2: there is nothing in it"),
        (b"999999999999 300\na 1 2\n", "says that it has 999999999999 .* is too small for them"),
        (b"3 2\na 1 2\nb 3 4\n", "says that it has 3 vectors of 2 values and ends behind 2"),
        (b"2 2\na 1 2\nb 3\n", "line 3 of .* has 1 values, not 2"),
        (b"2 2\na 1 2\nb 3 x\n", "line 3 of .* has to be a word and 2 numbers: .*'x'"),
        (b"2 2\na 1 2\n 3 4\n", "line 3 of .* has no word"),
        (b"2 2\na 1 2\nb  3 4\n", "line 3 of .* has no word, or more than a space behind it"),
        (b"2 2\na 1 2\n\n", "says that it has 2 .* ends behind 1"),
        (b"3 2\na 1 2\n\nb 1 2\n", "line 3 of .* has 0 values, not 2"),
        (b"1 2\na 1 1e99\n", "1 of 1 vectors of .* are not finite, first: 'a'"),
        (b"1 2\na 1 2\nb 1 2\n", "has more lines than the 1 words"),
        (b"2 2\na 1 2\na 1 2\n", "1 words stand twice, first: 'a'"),
        (b"2 2\na 1 2\nb nan 2\n", "1 of 2 vectors of .* are not finite, first: 'b'"),
        (b"2 2\na " + FLOATS[:8] + b"\nb " + FLOATS[:7], "says that it has 2 .* ends behind 1"),
        (b"2 2\na " + FLOATS[:8] + b"\nb", "says that it has 2 .* ends behind 1"),
        (b"2 2\na " + FLOATS[:8] + b"\n\xff " + FLOATS[:8], "word 2 of .* is not UTF-8"),
        (b"1 2\na " + FLOATS, "has more bytes than the 1 vectors"),
        (b"1 2\na " + NAN, "1 of 1 vectors of .* are not finite, first: 'a'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, content, message):
    (tmp_path / "vectors").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_word2vec(tmp_path / "vectors")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_word2vec(tmp_path / "nothing")
