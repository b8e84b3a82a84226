import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.arrays import ranges, run_starts, stable_order
from recembed.data.sequences import Sequences
from recembed.errors import DataError

nested = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8)


def listed(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


@given(nested)
def test_nested_lists_come_back(rows):
    sequences = Sequences.of(rows)
    assert listed(sequences) == rows
    assert sequences.sizes.tolist() == [len(row) for row in rows]
    assert sequences.owners().tolist() == [i for i, row in enumerate(rows) for _ in row]


@given(nested, st.data())
def test_taking_is_what_a_list_would_give(rows, data):
    at = data.draw(st.lists(st.integers(0, len(rows) - 1))) if rows else []
    taken = Sequences.of(rows).take(np.array(at, np.int64))
    assert listed(taken) == [rows[i] for i in at]


@given(nested, st.integers(0, 9))
def test_keeping_filters_each_sequence(rows, least):
    sequences = Sequences.of(rows)
    kept = sequences.keep(sequences.values >= least)
    assert listed(kept) == [[value for value in row if value >= least] for row in rows]


@pytest.mark.parametrize(
    ("values", "offsets"),
    [
        (np.zeros(2, np.int64), np.array([0, 2])),
        (np.zeros(2, np.int32), np.array([0, 2], np.int32)),
        (np.zeros(2, np.int32), np.array([0, 1])),
        (np.zeros(2, np.int32), np.array([1, 2])),
        (np.zeros(0, np.int32), np.array([], np.int64)),
    ],
)
def test_what_are_no_sequences_is_refused(values, offsets):
    with pytest.raises(DataError):
        Sequences(values, offsets)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 4))))
def test_the_linear_sort_is_numpy_s_stable_one_with_runs_and_without(runs):
    keys = np.repeat(
        np.array([key for key, _ in runs], np.int64), np.array([n for _, n in runs], np.int64)
    )
    assert stable_order(keys).tolist() == np.argsort(keys, kind="stable").tolist()


def test_a_run_ends_where_any_key_changes():
    assert run_starts(np.array([1, 1, 1, 2]), np.array([5, 6, 6, 6])).tolist() == [0, 1, 3]
    assert run_starts(np.zeros(0)).tolist() == []


def test_ranges_are_laid_one_after_another():
    assert ranges(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
