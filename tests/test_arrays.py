"""Ragged arrays: offsets, ranges, runs, stable order and blocks, against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.arrays import RADIX, blocks, blocks_of, offsets_of, ranges, run_starts, stable_order

keys = st.integers(0, 3) | st.integers(0, 2**62) | st.sampled_from([RADIX - 1, RADIX, 2**32])


@given(st.lists(st.integers(0, 5)))
def test_offsets_are_running_sums(sizes):
    offsets = offsets_of(np.array(sizes, np.int32))
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [sum(sizes[:i]) for i in range(len(sizes) + 1)]


@given(st.lists(st.tuples(st.integers(-5, 10**12), st.integers(0, 4))))
def test_ranges_are_written_one_after_another(pairs):
    starts = np.array([start for start, _ in pairs], np.int64)
    sizes = np.array([size for _, size in pairs], np.int64)
    expected = [start + i for start, size in pairs for i in range(size)]
    assert ranges(starts, sizes).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1))))
def test_a_run_starts_where_any_key_changes(pairs):
    one = np.array([a for a, _ in pairs], np.int64)
    two = np.array([b for _, b in pairs], np.int32)
    expected = [i for i in range(len(pairs)) if i == 0 or pairs[i] != pairs[i - 1]]
    assert run_starts(one, two).tolist() == expected


@given(st.lists(keys, max_size=60), st.integers(1, 4))
def test_stable_order_is_pythons_sort_for_scattered_keys_and_for_runs(values, times):
    """Each key `times` in a row: runs are sorted as wholes."""
    values = [value for value in values for _ in range(times)]
    order = stable_order(np.array(values, np.int64))
    assert order.tolist() == sorted(range(len(values)), key=values.__getitem__)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint16, np.int64, np.uint64])
def test_stable_order_takes_any_whole_numbers(dtype):
    values = np.array([3, 1, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 5], dtype)
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


@given(st.integers(0, 50), st.integers(0, 100), st.integers(0, 500))
def test_blocks_cover_all_rows_once_and_keep_to_the_memory(n, bytes_per_row, memory):
    parts = list(blocks(n, bytes_per_row, memory))
    covered = [row for part in parts for row in range(part.start, part.stop)]
    assert covered == list(range(n))
    for part in parts:
        size = part.stop - part.start
        assert size >= 1
        assert size == 1 or size * bytes_per_row <= memory
    if bytes_per_row and parts:
        full = parts[0].stop - parts[0].start
        assert full == n or (full + 1) * bytes_per_row > memory


@given(st.lists(st.integers(0, 50)), st.integers(0, 200))
def test_blocks_of_rows_of_all_sizes_are_as_long_as_the_memory_lets_them(sizes, memory):
    parts = list(blocks_of(np.array(sizes, np.int64), memory))
    assert [at for part in parts for at in range(part.start, part.stop)] == [*range(len(sizes))]
    for part in parts:
        assert part.stop == part.start + 1 or sum(sizes[part]) <= memory
        longer = sizes[part.start : part.stop + 1]
        assert part.stop == len(sizes) or sum(longer) > memory
