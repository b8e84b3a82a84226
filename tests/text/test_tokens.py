"""From text to rows: against a plain reading line by line, and what is refused."""

import bz2
import gzip
import lzma
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.text import blocks, phrases, pieces, streams
from recembed.text.normal import Normal
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens

TEXT = """The cat's mother-in-law sat -- _quietly_ -- on the mat.

The CAT didn\u2019t; the cat slept.
"""
READ = [
    ["the", "cat's", "mother-in-law", "sat", "quietly", "on", "the", "mat"],
    ["the", "cat", "didn't", "the", "cat", "slept"],
]


@pytest.fixture
def encoded(tmp_path):
    """Text, bytes or a path -> the corpus, with words of any count, and its sentences as words."""
    turns = iter(range(10**6))

    def encode(*texts, **options):
        folder = tmp_path / str(next(turns))
        folder.mkdir()
        paths = []
        for text in texts:
            paths.append(folder / f"{len(paths)}.txt")
            paths[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
        corpus = Tokens(**{"min_count": 1} | options).encode(Texts.of(paths), folder)
        words = corpus.vocabulary.ids.to_pylist()
        return corpus, [[words[row] for row in line] for line in corpus.sentences]

    return encode


def plainly(text):
    """Sentences of words, read line by line."""
    word = r"[^\W_]+(?:['-][^\W_]+)*"
    lines = (re.findall(word, line.lower().replace("\u2019", "'")) for line in text.split("\n"))
    return [line for line in lines if line]


def test_words_keep_inner_apostrophes_and_hyphens_and_lose_case(encoded):
    corpus, sentences = encoded(TEXT)
    assert sentences == READ
    words = corpus.vocabulary.ids.to_pylist()
    assert words == ["the", "cat", "cat's", "didn't", "mat", "mother-in-law", "on", "quietly",
                     "sat", "slept"]  # fmt: skip
    assert corpus.counts.tolist() == [4, 2, *[1] * 8]
    cased, _ = encoded(TEXT, normal=Normal(case="keep"))
    assert {"The", "the", "CAT", "cat"} <= {*cased.vocabulary.ids.to_pylist()}


HINDI = ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092d\u093e\u0937\u093e"]
PERSIAN = ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]  # joined by a mark without width
WORDS = {
    "Hindi": (" ".join(HINDI) + "\u0964", HINDI),
    "Persian": (f"{PERSIAN[0]}.", PERSIAN),
    "marks that stand alone": ("e\u0301te\u0301, nai\u0308ve", ["\u00e9t\u00e9", "na\u00efve"]),
    "English": ("'tis rock'n'roll 3-4 x-- -y a_b", ["tis", "rock'n'roll", "3-4", *"xyab"]),
}


@pytest.mark.parametrize(("text", "words"), WORDS.values(), ids=WORDS)
def test_words_of_many_scripts_stay_whole(encoded, text, words):
    assert encoded(text)[1] == [words]


@given(st.text(alphabet="abAB'-_.,\n \t\r\u2019\u00e9\u00d6\u4e2d", max_size=200))
def test_it_reads_what_a_plain_reading_line_by_line_does(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("text")
    (folder / "text").write_bytes(f"{text}\na".encode())
    corpus = Tokens(min_count=1).encode(Texts.of(folder / "text"), folder)
    words = corpus.vocabulary.ids.to_pylist()
    wanted = plainly(f"{text}\na")
    assert [[words[row] for row in line] for line in corpus.sentences] == wanted
    counts = Counter(word for line in wanted for word in line)
    assert dict(zip(words, corpus.counts.tolist(), strict=True)) == counts
    assert words == sorted(words, key=lambda word: (-counts[word], word))


def test_small_blocks_and_a_small_memory_of_pieces_change_nothing(encoded, monkeypatch):
    random = np.random.default_rng(0)
    letters = [*"abcdef", "\u00e9", " ", " ", "\n"]
    text = "".join(random.choice(letters, 20_000))
    corpus, sentences = encoded(text)
    assert sentences == plainly(text)
    monkeypatch.setattr(blocks, "BLOCK", 256)
    monkeypatch.setattr(pieces, "MOST", 64)
    monkeypatch.setattr(pieces, "SLOTS", 1024)
    monkeypatch.setattr(streams, "MANY", 100)
    again, same = encoded(text)
    assert again.vocabulary == corpus.vocabulary
    assert same == sentences


def test_a_line_of_a_million_words_is_one_sentence(encoded):
    corpus, sentences = encoded("ab cd " * 500_000 + "\nab")
    assert corpus.sentences.sizes.tolist() == [1_000_000, 1]
    assert corpus.counts.tolist() == [500_001, 500_000]
    assert sentences[0][-2:] == ["ab", "cd"]


@pytest.mark.parametrize(
    "packed",
    [gzip.compress, lzma.compress, bz2.compress, lambda data: pa.compress(data, "zstd", True)],
    ids=["gz", "xz", "bz2", "zst"],
)
def test_compressed_text_is_told_by_its_content(encoded, packed):
    assert encoded(packed(TEXT.encode()))[1] == READ


def test_a_file_ends_its_last_line(encoded):
    assert encoded("a b", "c\n", "d")[1] == [["a", "b"], ["c"], ["d"]]


def test_rare_words_and_stop_words_are_left_out_and_empty_lines_go(encoded, tmp_path):
    text = "the cat sat\nrare\nthe the cat\nThe"
    assert encoded(text, min_count=2)[1] == [["the", "cat"], ["the", "the", "cat"], ["the"]]
    assert encoded(text, min_count=2, max_vocabulary=1)[1] == [["the"], ["the", "the"], ["the"]]
    without = [["cat", "sat"], ["rare"], ["cat"]]
    assert encoded(text, stop_words="english")[1] == without
    (tmp_path / "stop").write_text("THE and\nof")
    assert encoded(text, stop_words=str(tmp_path / "stop"))[1] == without


def test_stop_words_and_phrases_are_of_words_as_they_are_written(encoded, tmp_path):
    plain = Normal(accents="strip")
    (tmp_path / "stop").write_text("\u00c0 o\u00f9", "utf-8")
    text = "cr\u00e8me Bru\u0302le\u0301e \u00e0 la carte\n" * 20 + "a b c d e f g h\n" * 30
    options = {"normal": plain, "phrases": 1, "phrase_threshold": 1.0}
    options["stop_words"] = str(tmp_path / "stop")
    assert encoded(text, **options)[1][0] == ["creme_brulee", "la_carte"]


def joined(lines, min_count, threshold):
    """Neighbours joined from left to right, as word2vec's word2phrase does."""
    counts = Counter(word for line in lines for word in line)
    pairs = Counter(pair for line in lines for pair in pairwise(line))
    total, out = sum(counts.values()), []
    for line in lines:
        new, at = [], 0
        while at < len(line):
            pair = tuple(line[at : at + 2])
            common = len(pair) == 2 and min(counts[word] for word in pair) >= min_count
            if common and (pairs[pair] - min_count) / counts[pair[0]] / counts[pair[1]] * total > (
                threshold
            ):
                new.append("_".join(pair))
                at += 1
            else:
                new.append(line[at])
            at += 1
        out.append(new)
    return out


@pytest.mark.parametrize("passes", [1, 2])
def test_phrases_are_those_of_word2phrase(encoded, monkeypatch, passes):
    random = np.random.default_rng(passes)
    words = ["new", "york", "city", "the", "a", "hall", *"uvwxyz"]
    chances = np.array([4, 4, 4, 6, 6, 3, *[1] * 6]) / 33
    lines = []
    for _ in range(300):
        line = random.choice(words, random.integers(1, 9), p=chances).tolist()
        lines.append([*line, "new", "york", "city"] if random.random() < 0.4 else line)
    wanted = lines
    for _ in range(passes):
        wanted = joined(wanted, 5, 1.5)
    text = "\n".join(map(" ".join, lines))
    options = {"phrases": passes, "phrase_threshold": 1.5}
    assert encoded(text, **options)[1] == wanted
    assert any(word.count("_") == passes for line in wanted for word in line)
    monkeypatch.setattr(streams, "MANY", 50)
    monkeypatch.setattr(phrases, "PAIRS", 500)
    assert encoded(text, **options)[1] == wanted, "in blocks, and in several readings"


@pytest.mark.parametrize("passes", [1, 3])
def test_a_text_without_more_phrases_stays_as_it_is(encoded, passes):
    text = "of course it is\n" * 20 + "a b c d e f g h\n" * 30
    assert encoded(text, phrases=passes)[1] == encoded(text)[1]
    once = encoded(text, phrases=1, phrase_threshold=11.0)[1]
    assert once[0] == ["of_course", "it_is"]
    assert encoded(text, phrases=passes, phrase_threshold=11.0)[1] == once


def test_a_stop_word_is_part_of_no_phrase(encoded):
    text = "of course it is\n" * 20 + "a b c d e f g h\n" * 30
    options = {"phrases": 1, "phrase_threshold": 1.0}
    assert encoded(text, **options)[1][0] == ["of_course", "it_is"]
    assert encoded(text, stop_words="english", **options)[1][0] == ["course"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no word in .*txt: is it text?"),
        (b"\n . ! \n", "no word in .*txt: is it text?"),
        (b"good\nline\nbad \xff\n", "line 3 of .*txt is not UTF-8: convert the file"),
        (b"good\n\x00\x01", "line 2 of .*txt is not text: it has a byte 0"),
        (gzip.compress(b"some text " * 9, mtime=0)[:-9], "txt cannot be read: "),
        (lzma.compress(b"some text " * 9)[:-9], "txt cannot be read: "),
        (
            b"one two",
            "none of 2 words occurs 5 times .the most frequent: 1.: set min_count of its tokens",
        ),
    ],
)
def test_what_is_no_corpus_is_refused_in_one_line(encoded, content, message):
    with pytest.raises(DataError, match=message) as error:
        encoded(content, min_count=5)
    assert "\n" not in str(error.value)


def test_a_corpus_of_one_word_is_a_corpus_of_one_word(encoded):
    corpus, sentences = encoded("word")
    assert (len(corpus.vocabulary), sentences) == (1, [["word"]])


def test_the_line_that_is_not_utf8_is_found_behind_the_first_block(encoded, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 8)
    with pytest.raises(DataError, match="line 5 of"):
        encoded(b"one\ntwo\n\nthree\nfo\xc3 ur\nfive\n")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*nothing"):
        Tokens().encode(Texts.of(tmp_path / "nothing"), tmp_path)
    with pytest.raises(DataError, match="is a folder: name the text files in it"):
        Tokens().encode(Texts.of(tmp_path), tmp_path)
    with pytest.raises(DataError, match="one text file or several: none is named"):
        Tokens().encode(Texts.of([]), tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "(a"}, "is no regular expression"),
        ({"pattern": "(a)+"}, "has a group"),
        ({"min_count": 0}, "min_count must be at least 1"),
        ({"phrases": -1}, "phrases must be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Tokens(**options)


def test_a_file_of_stop_words_that_is_missing_is_named(encoded):
    with pytest.raises(DataError, match="none, english or a file of words; there is no file dutch"):
        encoded("a b", stop_words="dutch")
