import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.catalogue import Catalogue
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

tags = st.lists(st.none() | st.lists(st.sampled_from("xyz")), min_size=1, max_size=6)


def listed(catalogue, *names):
    """The categories of each id, by what they mean."""
    found, meanings = catalogue.categories(names)
    return [[meanings[row] for row in found[i]] for i in range(len(found))]


def test_rows_are_laid_out_along_the_vocabulary_with_nulls_where_there_is_none():
    table = pa.table({"title": ["A", "B", "Z"]})
    catalogue = Catalogue.align(Vocabulary([2, 9, 1]), Vocabulary([1, 2, 7]), table, "title")
    assert catalogue.titles(np.array([2, 1, 0])) == ["A", None, "B"]


def test_values_of_different_columns_are_different_categories():
    table = pa.table({"a": ["x", None, "y"], "b": [["x", "z"], ["x"], None]})
    catalogue = Catalogue(Vocabulary([1, 2, 3]), table)
    assert listed(catalogue, "a", "b") == [["a=x", "b=x", "b=z"], ["b=x"], ["a=y"]]
    assert listed(catalogue) == [[], [], []]


@given(tags, st.booleans())
def test_list_columns_are_taken_apart(rows, chunked):
    column = pa.array(rows, pa.list_(pa.string()))
    if chunked:
        column = pa.chunked_array([column.slice(0, 1), column.slice(1)])
    catalogue = Catalogue(Vocabulary.numbered(len(rows)), pa.table({"tag": column}))
    assert listed(catalogue, "tag") == [[f"tag={tag}" for tag in row or []] for row in rows]


def test_a_catalogue_has_one_row_an_id():
    with pytest.raises(DataError, match="1 catalogue rows for 2 ids"):
        Catalogue(Vocabulary([1, 2]), pa.table({"a": [1]}))


def test_a_missing_column_lists_those_there_are():
    catalogue = Catalogue(Vocabulary([1]), pa.table({"a": [1], "b": [2]}))
    with pytest.raises(DataError, match="no column 'c'; it has: a, b"):
        catalogue.column("c")
    assert catalogue.titles(np.array([0])) == [None]


def test_an_id_is_covered_if_anything_is_told_of_it():
    table = pa.table({"a": [None, 1, None, None], "b": pa.array([["x"], None, None, []])})
    catalogue = Catalogue(Vocabulary([1, 2, 3, 4]), table)
    assert catalogue.covered.tolist() == [True, True, False, True]
    aligned = Catalogue.align(Vocabulary([9, 1]), Vocabulary([1]), pa.table({"a": ["x"]}))
    assert aligned.covered.tolist() == [False, True]
    assert not Catalogue(Vocabulary([1]), table.slice(0, 1).select([])).covered.any()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["x", "y"], None, ["y", None]]),
        pa.array([["x", "y"], None, ["y"]], pa.large_list(pa.string())),
        pa.chunked_array([[["x", "y"], None], [["y"]]]),
        pa.array([["x", "y"], None, ["y"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ],
)
def test_values_come_with_their_owners_however_a_list_is_stored(column):
    catalogue = Catalogue(Vocabulary([1, 2, 3]), pa.table({"tag": column}))
    owner, values = catalogue.values("tag")
    assert owner.tolist() == [0, 0, 2]
    assert values.to_pylist() == ["x", "y", "y"]
    assert values.type == pa.string()
    assert listed(catalogue, "tag") == [["tag=x", "tag=y"], [], ["tag=y"]]


def test_lists_of_one_fixed_length_and_text_of_few_values_are_read_as_any_other():
    fixed = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2))
    few = pa.array(["x", None, "x"]).dictionary_encode()
    catalogue = Catalogue(Vocabulary([1, 2, 3]), pa.table({"fixed": fixed, "few": few}))
    owner, values = catalogue.values("fixed")
    assert owner.tolist() == [0, 0, 2, 2]
    assert values.to_pylist() == [1, 2, 3, 4]
    assert listed(catalogue, "few") == [["few=x"], [], ["few=x"]]
