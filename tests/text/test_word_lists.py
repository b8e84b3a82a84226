"""Files of pairs and questions in all their forms."""

import os
from pathlib import Path

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.text.word_lists import Pairs, Questions, read_test

BESIDE = Path(__file__).parents[3] / "shared" / "data"
PUBLISHED = Path(os.environ.get("RECEMBED_DATA", BESIDE)) / "words"
SIZES = {
    "wordsim353.tsv": 353,
    "simlex999.csv": 999,
    "simlex999.txt": 999,
    "men.csv": 3000,
    "rw.csv": 2034,
    "mturk-771.csv": 771,
    "simverb-3500.csv": 3500,
    "google-analogies.csv": 19544,
    "questions-words.txt": 19544,
    "msr.csv": 8000,
}

PAIRS = {
    "index and header": ",word1,word2,similarity\n0,cat,dog,7.5\n1,New York,city,9\n,,,\n",
    "other columns": ",similarity,word1,word2,relation\n0,7.5,cat,dog,none\n1,9,New York,city,x\n",
    "tabs and comments": "# Word 1\tWord 2\tHuman\ncat\tdog\t7.5\t\nNew York\tcity\t9\n\n",
    "tags": ",word1,word2,similarity\n0,cat-n,dog-n,7.5\n1,New York-n,city-n,9\n",
    "spaces": "\ufeffcat dog 7.5\nNew_York city 9",
    "scores of each person": "cat\tdog\t7.5\t7\t8\nNew York\tcity\t9\t9\t9\n",
    "capital exponents": "cat dog 7.5E0\nNew_York city 9E+0\n",
    "spaces in the header": "Word 1,Word 2,Human (mean)\ncat,dog,7.5\nNew York,city,9\n",
    "crlf": "word1,word2,score\r\ncat,dog,7.5\r\nNew York,city,9\r\n",
}
QUESTIONS = {
    "sections": ": a\nAthens Greece Rome Italy\n: b\ngood better bad worse\n",
    "header": ",type,word1,word2,word3,target\n0,a,Athens,Greece,Rome,Italy\n"
    "1,b,good,better,bad,worse\n",
}


@pytest.mark.parametrize("form", PAIRS)
def test_pairs_are_read_in_every_form(tmp_path, form):
    (tmp_path / "pairs").write_bytes(PAIRS[form].encode())
    found = read_test(tmp_path / "pairs")
    assert isinstance(found, Pairs)
    assert (found.name, found.first, found.second) == (
        "pairs",
        ["cat", "New_York"],
        ["dog", "city"],
    )
    np.testing.assert_array_equal(found.scores, [7.5, 9])


@pytest.mark.parametrize("form", QUESTIONS)
def test_questions_are_read_in_every_form(tmp_path, form):
    (tmp_path / "questions").write_text(QUESTIONS[form])
    found = read_test(tmp_path / "questions")
    assert isinstance(found, Questions)
    assert [*zip(*found.columns, strict=True)] == [
        ("Athens", "Greece", "Rome", "Italy"),
        ("good", "better", "bad", "worse"),
    ]
    assert (found.category.tolist(), found.categories) == ([0, 1], ["a", "b"])


def test_only_tags_that_all_words_have_are_taken_off(tmp_path):
    (tmp_path / "pairs").write_text("word1,word2,similarity\nyou-all,x-n,1\nplain,y-n,2\n")
    assert read_test(tmp_path / "pairs").first == ["you-all", "plain"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no pairs of words and no questions"),
        (b"word1,word2,similarity\n", "has no pairs of words and no questions"),
        (b"# comment\n\n", "has no pairs of words and no questions"),
        (b"just some running text here\n", "line 1 of .* is 'just some running text here'"),
        (b"cat dog 7\ncat dog\n", r"line 2 of .* has no score: \['cat', 'dog'\]"),
        (b"cat dog 7\ncat dog far\n", "line 2 of .* has no score"),
        (b"cat dog 7\ncat dog nan\n", "line 2 of .* has no finite score"),
        (b": x\na b c d\na b c\n", "line 3 of .* has 3 words, a question has 4"),
        (b"word1,word2,weight\na,b,1\n", "has the columns word1, word2, weight: it needs"),
        (b"word1,word2,similarity\na,b,1\na,b\n", "line 3 of .* has 2 cells, its header has 3"),
        (b"caf\xe9 dog 7", "is not UTF-8"),
        (b"cat;dog;7\n", "line 1 of .* is 'cat;dog;7'"),
        (b"cat dog 7\ncow\n", r"line 2 of .* has no score: \['cow'\]"),
        (b"word1,word2,similarity\na,b,1\nc\n", "line 3 of .* has 1 cells, its header has 3"),
        (b'a,b,1\n"c,d,2\n', "line 2 of .* is no line of CSV"),
        (b"a,b,1\n" + b"c" * 200_000 + b",d,2\n", "line 2 of .* is no line of CSV"),
        (b"word1,word2,similarity\na,,1\n", r"line 2 of .* has an empty word: \['a', '', '1'\]"),
        (b"a\tb\tc\td\na\t\tc\td\n", "line 2 of .* has an empty word"),
    ],
)
def test_what_is_no_test_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "test").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_test(tmp_path / "test")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_test(tmp_path / "nothing")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no words in $RECEMBED_DATA")
@pytest.mark.parametrize("name", SIZES)
def test_published_tests_are_read_whole(name):
    found = read_test(PUBLISHED / name)
    columns = (found.first, found.second) if isinstance(found, Pairs) else found.columns
    assert {len(column) for column in columns} == {SIZES[name]}
    assert all(word and not word.endswith("-n") for column in columns for word in column)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no words in $RECEMBED_DATA")
def test_both_forms_of_the_google_analogies_are_the_same_questions():
    one, other = (
        read_test(PUBLISHED / name) for name in ("google-analogies.csv", "questions-words.txt")
    )
    assert (one.columns, one.categories) == (other.columns, other.categories)
    np.testing.assert_array_equal(one.category, other.category)
    assert len(one.categories) == 14
