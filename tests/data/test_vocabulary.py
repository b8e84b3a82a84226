import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.vocabulary import FEW, Vocabulary, id_array, id_list
from recembed.errors import DataError

ids = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True),
)


@given(ids)
def test_rows_and_ids_are_inverse(values):
    vocabulary = Vocabulary(values)
    assert vocabulary.rows(values).tolist() == list(range(len(values)))
    assert [vocabulary.id(row) for row in range(len(values))] == values


@given(ids, st.lists(st.integers(-5, 5)))
def test_many_ids_are_looked_up_as_few_are(values, wanted):
    vocabulary = Vocabulary(values)
    many = wanted * (FEW + 1)
    one_by_one = [int(vocabulary.rows([id])[0]) for id in wanted] * (FEW + 1)
    assert vocabulary.rows(many).tolist() == one_by_one


@given(ids, ids)
def test_extending_never_moves_a_row(values, more):
    vocabulary = Vocabulary(values)
    if values and more and type(values[0]) is not type(more[0]):
        with pytest.raises(DataError, match="make them one type"):
            vocabulary.extend(more)
        return
    extended = vocabulary.extend(more)
    assert extended.ids.to_pylist()[: len(values)] == values
    assert extended.ids.to_pylist() == list(dict.fromkeys([*values, *more]))


def test_an_id_twice_is_named():
    with pytest.raises(DataError, match="2 items stand twice, first: 'a', 'b'"):
        Vocabulary(["a", "b", "a", "c", "b"], "item")


def test_an_int_is_never_equal_to_a_text():
    assert Vocabulary([1, 2]).rows(["1"]).tolist() == [-1]
    assert Vocabulary(["1"]).rows(np.array([1])).tolist() == [-1]
    assert Vocabulary([1]) != Vocabulary(["1"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None], "1 of 2 items are missing, first at row 1"),
        ([1.5], "whole numbers or text, these are double"),
        (["a", 1], "all int or all str"),
        (np.array([2**63], np.uint64), "do not fit into 64 bits"),
        ([True], "these are bool"),
    ],
)
def test_what_is_no_id_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        id_array(values, "item")


def test_unknown_ids_are_counted_and_the_first_are_named():
    with pytest.raises(DataError, match=r"4 of 5 items are unknown, first: 'b', 'c', 'd', \.\.\."):
        Vocabulary(["a"], "item").known_rows(["a", "b", "c", "d", "e"])
    assert Vocabulary(["a", "b"]).known_rows(pa.array(["b"])).tolist() == [1]


@pytest.mark.parametrize(
    ("values", "text", "id"),
    [
        ([7], "7", 7),
        ([7], "0", 0),
        ([7], "-7", -7),
        ([7], "007", "007"),
        ([7], "-0", "-0"),
        ([7], "x", "x"),
        ([7], "9" * 5000, "9" * 5000),
        (["7"], "7", "7"),
    ],
)
def test_a_typed_id_becomes_what_the_vocabulary_has(values, text, id):
    assert Vocabulary(values).parse(text) == id


def test_the_fingerprint_is_of_the_ids_and_their_order_alone():
    sliced = Vocabulary(pa.array(["x", "a", "b"]).slice(1))
    assert sliced.fingerprint == Vocabulary(["a", "b"]).fingerprint
    others = [Vocabulary(["b", "a"]), Vocabulary(["ab"]), Vocabulary([1, 2]), Vocabulary([2, 1])]
    assert len({it.fingerprint for it in [sliced, *others]}) == 5


def test_selected_rows_keep_the_order_asked_for():
    assert Vocabulary(["a", "b", "c"]).select(np.array([2, 0])).ids.to_pylist() == ["c", "a"]


def test_one_id_and_several_become_a_list_of_pythons_own_values():
    assert id_list("abc") == ["abc"]
    assert id_list(np.int64(7)) == [7]
    assert [type(id) for id in id_list(np.array([7, 8]))] == [int, int]


def test_whole_numbers_become_text_where_the_other_has_text_and_only_there():
    numbers, texts = Vocabulary([7, 8]), Vocabulary(["a", "7"])
    assert numbers.like(texts).ids.to_pylist() == ["7", "8"]
    assert numbers.like(numbers) is numbers
    assert texts.like(numbers) is texts
