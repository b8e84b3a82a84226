"""Tables of pairs and of labelled texts: the same from every kind of file, and what is refused."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.errors import DataError
from recembed.text.pair_files import Labelled, read_pairs, read_test, without_empty
from recembed.text.pairs import TextPairs
from recembed.text.tables import TextColumns

ROWS = [
    {"sentence1": "A man eats.", "sentence2": 'He said "yes", twice', "score": 4.5},
    {"sentence1": "007", "sentence2": "Ünïcode 🦉", "score": 0.0},
    {"sentence1": "a, b", "sentence2": "\u0928\u092e", "score": 2.25},
]
WRITTEN = {
    "csv": lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False),
    "tsv": lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False, sep="\t"),
    "parquet": lambda rows, path: pd.DataFrame(rows).to_parquet(path),
    "jsonl": lambda rows, path: path.write_text("\n".join(map(json.dumps, rows)) + "\n\n"),
    "jsonl.gz": lambda rows, path: path.write_bytes(
        gzip.compress("\n".join(map(json.dumps, rows)).encode())
    ),
}


@pytest.fixture
def file(tmp_path):
    def write(rows, ending="jsonl"):
        path = tmp_path / f"pairs.{ending}"
        WRITTEN[ending](rows, path)
        return path

    return write


@pytest.mark.parametrize("ending", WRITTEN)
def test_every_kind_of_file_gives_the_same_pairs(file, ending):
    pairs = read_pairs(file(ROWS, ending))
    assert list(pairs.first) == [row["sentence1"] for row in ROWS]
    assert list(pairs.second) == [row["sentence2"] for row in ROWS]
    assert pairs.scores.tolist() == [4.5, 0.0, 2.25]
    assert pairs.negatives is None


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8))
def test_any_text_comes_through_json(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("any") / "pairs.jsonl"
    WRITTEN["jsonl"]([{"anchor": one, "positive": other} for one, other in texts], path)
    pairs = read_pairs(path)
    assert list(zip(pairs.first, pairs.second, strict=True)) == texts


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"query": "a\\ud83d", "document": "\\ud83e\\udd89"}\n')
    pairs = read_pairs(path)
    assert (pairs.first, pairs.second) == (["a?"], ["🦉"])


@pytest.mark.parametrize(
    ("names", "first", "second", "negative"),
    [
        (("anchor", "positive", "negative"), "anchor", "positive", "negative"),
        (("query", "document"), "query", "document", None),
        (("id", "Text_A", "text-b"), "Text_A", "text-b", None),
        (("question1", "question2"), "question1", "question2", None),
        (("sentence_A", "sentence_B", "title"), "sentence_A", "sentence_B", None),
    ],
)
def test_usual_names_are_guessed(file, names, first, second, negative):
    found = read_test(file([{name: f"a {name}" for name in names}]))
    assert isinstance(found, TextPairs)
    assert (found.first, found.second) == ([f"a {first}"], [f"a {second}"])
    assert found.negatives == (None if negative is None else [f"a {negative}"])
    assert found.scores is None


def test_texts_and_labels_are_told_from_pairs(file):
    rows = [{"text": "ship", "label": 1}, {"text": "oven", "label": 0}]
    found = read_test(file(rows, "csv"))
    assert isinstance(found, Labelled)
    assert (found.texts, found.labels) == (["ship", "oven"], ["1", "0"])
    with pytest.raises(DataError, match="pairs of texts are needed"):
        read_pairs(file(rows, "csv"))


def test_columns_are_named_by_their_role(file):
    columns = TextColumns.of({"first": "b", "second": "a", "score": "label"})
    found = read_test(file([{"a": "x", "b": "y", "label": "3"}]), columns)
    assert (found.first, found.second, found.scores.tolist()) == (["y"], ["x"], [3.0])
    with pytest.raises(DataError, match="no column role 'frist'; there is first"):
        TextColumns.of({"frist": "b"})


def test_an_empty_cell_is_an_empty_text_and_left_out_of_learning(file):
    rows = [{"query": "a", "document": "b"}, {"query": "", "document": "c"}]
    pairs = read_pairs(file([*rows, {"query": "d", "document": "  "}], "csv"))
    assert list(pairs.first) == ["a", "", "d"]
    kept, left_out = without_empty(pairs)
    assert (kept.first, kept.second, left_out) == (["a"], ["b"], 2)
    with pytest.raises(DataError, match=r"pairs of our\.csv has an empty text"):
        without_empty(pairs.take(pd.array([1]).to_numpy()), "our.csv")


BAD = {"sentence1": "a", "sentence2": "b", "score": "1"}


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([BAD, {**BAD, "score": "much"}], "the score 'much' is no finite number"),
        ([BAD, {**BAD, "score": None}], "no finite number"),
        ([BAD, {**BAD, "score": "inf"}], "the score '?inf'? is no finite number"),
        (
            [BAD, {**BAD, "score": "-1e39"}],
            "the score '?-1e[+]?39'? is no finite number of float32",
        ),
        ([BAD, {**BAD, "score": "9" * 999}], "the score '?(9{59}|inf) is no finite number"),
        ([{"a": "x", "b": "y"}] * 2, "has the columns a, b: pairs are sentence1"),
        ([{"sentence1": "a", "sentence2": "b", "label": 1}] * 2, "pairs with a label"),
        ([{"text": "a", "label": None}, {"text": "b", "label": "c"}], "has no label in 'label'"),
        ([{"text": "a", "label": 1.0}, {"text": "b", "label": np.nan}], "has no label in 'label'"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(file, ending, rows, message):
    path = file(rows, ending)
    with pytest.raises(DataError, match=message) as error:
        read_test(path)
    assert path.name in str(error.value)


def test_messages_name_the_line(file, tmp_path):
    with pytest.raises(DataError, match=r"line 3 of pairs\.csv: the score 'x'"):
        read_test(file([BAD, {**BAD, "score": "x"}], "csv"))
    with pytest.raises(DataError, match=r"row 1 of pairs\.parquet has no text in 'sentence2'"):
        read_test(file([BAD, {**BAD, "sentence2": None}], "parquet"))
    with pytest.raises(DataError, match=r"line 2 of pairs\.jsonl has no text in 'sentence2'"):
        read_test(file([BAD, {"sentence1": "a", "score": "2"}]))
    with pytest.raises(DataError, match=r"line 2 of pairs\.jsonl: 'score' is 9{60}, too large"):
        read_test(file([{**BAD, "score": 1}, {**BAD, "score": int("9" * 99)}]))
    with pytest.raises(DataError, match=r"line 2 of pairs\.jsonl: 'sentence2' is 7, no text"):
        read_test(file([BAD, {**BAD, "sentence2": 7}]))
    path = tmp_path / "bad.jsonl"
    good = b'{"query": "a", "document": "b"}\n'
    for content, message in (
        (good + b'\n{"query"\n', "line 3 of bad.jsonl is not JSON"),
        (good + b"[1]\n", "line 2 of bad.jsonl is no JSON object"),
        (good + b'{"query": "\xe9"}\n', "line 2 of bad.jsonl is not UTF-8"),
        (b"\n\n", "bad.jsonl has no lines"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_test(path)


def test_one_column_is_not_two_roles(file):
    with pytest.raises(DataError, match="are to be different columns"):
        read_test(file([BAD]), TextColumns(first="sentence1", second="sentence1"))


def test_numbers_are_no_texts(file):
    with pytest.raises(DataError, match="the column 'sentence2' holds int64, not text"):
        read_test(file([{**BAD, "sentence2": 7}], "parquet"))


def test_files_that_are_not_there_or_empty_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_test(tmp_path / "no.jsonl")
    empty = tmp_path / "empty.csv"
    empty.write_text("sentence1,sentence2\n")
    with pytest.raises(DataError, match="no rows"):
        read_test(empty)
