"""The kernels' vector code on random arrays, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from recembed.training import tiles

N_ROWS, N_QUERIES = 12, 7
WIDTHS = [3, 4, 5, 6]
DIMS = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def tables(seed, dim):
    """Queries and targets, their rows padded with zeros to whole registers."""
    random = np.random.default_rng(seed)
    made = []
    for n_rows in (N_QUERIES, N_ROWS):
        table = np.zeros((n_rows, tiles.padded(dim)), np.float32)
        table[:, :dim] = random.normal(size=(n_rows, dim))
        made.append(table)
    return random, *made


def scored(width):
    @njit
    def run(queries, table, q0, q1, targets, rows, first, out, line):
        if queries == 2:
            tiles.scores(width, 2, table, q0, q1, targets, rows, first, out, line)
        else:
            tiles.scores(width, 1, table, q0, q1, targets, rows, first, out, line)

    return run


def updated(width, direct):
    @njit
    def run(table, near, change, targets, rows, first, gains):
        n = len(near)
        tiles.update(width, direct, table, near, n, change, targets, rows, first, gains)

    return run


@njit
def axpy(factor, table, row, to, line):
    tiles.axpy(factor, table, row, to, line)


SCORES = {width: scored(width) for width in WIDTHS}
UPDATE = {(width, direct): updated(width, direct) for width in WIDTHS for direct in (False, True)}


@pytest.mark.parametrize("queries", [1, 2])
@pytest.mark.parametrize("width", WIDTHS)
@given(seed=SEEDS, dim=DIMS, block=st.integers(0, 2))
def test_scores_are_the_dot_products_and_what_stands_before_them_stays(
    queries, width, seed, dim, block
):
    random, table, targets = tables(seed, dim)
    first = block * width
    rows = random.integers(0, N_ROWS, 3 * width).astype(np.int32)
    q0, q1 = random.integers(0, N_QUERIES, 2)
    out = np.full((5, tiles.stride(width, 3)), 7, np.float32)
    SCORES[width](queries, table, q0, q1, targets, rows, first, out, 2)
    for line, query in ((2, q0), (3, q1))[:queries]:
        right = targets[rows[first : first + width]] @ table[query]
        assert np.allclose(out[line, first : first + width], right, rtol=1e-5, atol=1e-5)
        assert not out[line, first + width : first + tiles.TOTALS].any()
        assert (out[line, :first] == 7).all()
    assert (np.delete(out, [2, 3][:queries], axis=0) == 7).all()


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@given(seed=SEEDS, dim=DIMS, block=st.integers(0, 2))
def test_both_tables_move_by_the_gains_times_each_other(direct, width, seed, dim, block):
    random, table, targets = tables(seed, dim)
    first = block * width
    rows = random.integers(0, N_ROWS, 3 * width).astype(np.int32)  # some of them twice
    near = random.permutation(N_QUERIES)[: random.integers(0, 6)].astype(np.int32)
    gains = random.normal(size=(6, tiles.stride(width, 3))).astype(np.float32)
    change = random.normal(size=table.shape).astype(np.float32)
    block_rows, block_gains = rows[first : first + width], gains[: len(near), first : first + width]
    moved, right = change.copy(), targets.copy()
    moved[: len(near)] += block_gains @ targets[block_rows]
    np.add.at(right, block_rows, block_gains.T @ table[near])
    right_table = table.copy()
    if direct:
        right_table[near] += block_gains @ targets[block_rows]
        moved = change.copy()
    UPDATE[width, direct](table, near, change, targets, rows, first, gains)
    assert np.allclose(targets, right, rtol=1e-5, atol=1e-5)
    assert np.allclose(change, moved, rtol=1e-5, atol=1e-5)
    assert np.allclose(table, right_table, rtol=1e-5, atol=1e-5)


@given(seed=SEEDS, dim=DIMS, factor=st.floats(-10, 10, width=32))
def test_axpy_adds_a_multiple_of_one_row_to_another(seed, dim, factor):
    _, table, to = tables(seed, dim)
    right = to.copy()
    right[4] += np.float32(factor) * table[5]
    axpy(np.float32(factor), table, 5, to, 4)
    assert np.allclose(to, right, rtol=1e-5, atol=1e-5)


@given(st.integers(2, 600))
def test_blocks_hold_all_targets_and_waste_less_than_one_block(targets):
    width, count = tiles.blocks(targets)
    assert 3 <= width <= tiles.WIDEST
    assert 0 <= width * count - targets < width
    assert all(width * count <= -(-targets // w) * w for w in WIDTHS)
    assert width * (count - 1) + tiles.TOTALS <= tiles.stride(width, count)


@given(st.integers(1, 2000))
def test_rows_are_padded_to_the_next_whole_register(dim):
    assert dim <= tiles.padded(dim) < dim + tiles.WIDE
    assert tiles.padded(dim) % tiles.WIDE == 0
