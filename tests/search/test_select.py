import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.search.select import MANY, best_pairs, first_true, rank, select

INF = np.inf


def reference(scores, k):
    """A full stable sort of each row, one score at a time."""
    k = min(k, scores.shape[1])
    rows, tied = np.full((len(scores), k), -1), np.zeros(len(scores), int)
    for i, row in enumerate(scores.tolist()):
        order = sorted((-score, at) for at, score in enumerate(row) if score > -INF)[:k]
        rows[i, : len(order)] = [at for _, at in order]
        tied[i] = row.count(-order[-1][0]) if order else 0
    return rows, tied


def matches(top, scores, k):
    rows, tied = reference(scores, k)
    listed = np.where(rows < 0, -INF, np.take_along_axis(scores, np.maximum(rows, 0), 1))
    return (
        np.array_equal(top.rows, rows)
        and np.array_equal(top.tied, tied)
        and np.array_equal(top.scores, listed)
    )


def test_equal_scores_come_by_row_and_ties_at_the_end_are_counted():
    scores = np.array([[1, 3, 2, 3, 2, 2], [-INF, 0, -INF, 0, -INF, -INF]], np.float32)
    top = select(scores, 3)
    assert top.rows.tolist() == [[1, 3, 2], [1, 3, -1]]
    assert top.scores.tolist() == [[3, 3, 2], [0, 0, -INF]]
    assert top.tied.tolist() == [3, 2]


def test_nothing_eligible_lists_nothing():
    top = select(np.full((1, 4), -INF, np.float32), 2)
    assert (top.rows.tolist(), top.tied.tolist()) == ([[-1, -1]], [0])


def test_k_above_the_row_is_clipped():
    assert select(np.zeros((2, 3), np.float32), 10).rows.tolist() == [[0, 1, 2]] * 2
    assert select(np.zeros((2, 0), np.float32), 10).rows.shape == (2, 0)


@pytest.mark.parametrize("compiled", [False, True])
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 3000),
    k=st.integers(1, 40),
    levels=st.sampled_from([1, 2, 5, 50, 10**6]),
    eligible=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)
@settings(max_examples=150, deadline=None)
def test_select_equals_a_full_stable_sort(compiled, seed, n, k, levels, eligible):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels, (3, n)).astype(np.float32)
    scores[rng.random((3, n)) >= eligible] = -INF
    assert matches(select(scores.copy(), k, compiled=compiled), scores, k)


@given(seed=st.integers(0, 2**32), k=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_best_pairs_equals_select(seed, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 3, (4, 20)).astype(np.float32)
    scores[rng.random((4, 20)) < 0.5] = -INF
    owners, rows = np.nonzero(scores > -INF)
    order = rng.permutation(len(owners))
    owners, rows = owners[order], rows[order]
    pairs = best_pairs(owners, rows, scores[owners, rows], 4, k)
    assert matches(pairs, scores, k)


@pytest.mark.parametrize("k", [1, 300, 5000])
def test_infinite_equal_negative_and_tiny_scores_are_sorted_by_the_kernel_too(k):
    rng = np.random.default_rng(0)
    values = np.array([INF, 3e38, 1, 1e-45, 0, -1e-45, -1, -3e38, -INF], np.float32)
    scores = rng.choice(values, (6, 5000), p=rng.dirichlet(np.ones(len(values))))
    scores[0] = INF
    scores[1, 1:] = INF
    assert matches(select(scores.copy(), k, compiled=True), scores, k)


def test_high_scores_that_share_their_groups_leave_the_right_list():
    scores = np.tile(np.arange(120, dtype=np.float32), (1, 32))  # 32 times the same
    assert matches(select(scores.copy(), 20, compiled=True), scores, 20)


def test_long_lists_are_sorted_by_the_kernel():
    scores = np.random.default_rng(0).normal(size=(2, 30_000)).astype(np.float32)
    assert matches(select(scores.copy(), 20_000, compiled=True), scores, 20_000)


def test_rank_gives_many_queries_the_answers_of_a_few():
    scores = np.random.default_rng(1).integers(0, 9, (MANY, 40)).astype(np.float32)

    def ranked(at):
        return rank(lambda block: scores[at][block], len(scores[at]), 7, known=np.ones(40, bool))

    many, few = ranked(slice(None)), ranked(slice(0, MANY - 1))
    assert np.array_equal(many.rows[:-1], few.rows)
    assert np.array_equal(many.tied[:-1], few.tied)
    assert matches(many, scores, 7)


def test_nan_scores_are_refused_with_advice():
    scores = np.zeros((3, 4), np.float32)
    scores[1, 3] = np.nan
    with pytest.raises(DataError, match=r"1 of 3 queries .*NaN, first: 1: .*learning rate"):
        select(scores, 2)


def test_first_true_finds_them_however_far_back():
    mask = np.zeros(5000, bool)
    mask[[7, 1023, 1024, 4999]] = True
    assert first_true(mask, 3).tolist() == [7, 1023, 1024]
    assert first_true(mask, 9).tolist() == [7, 1023, 1024, 4999]


@pytest.mark.parametrize("memory", [1, 100, 1 << 30])
@pytest.mark.parametrize("allow", ["all", "mask", "lists"])
def test_rank_masks_what_is_not_eligible_in_every_block(memory, allow):
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 4, (7, 12)).astype(np.float32)
    known = rng.random(12) < 0.8
    scores[:, ~known] = np.nan  # nobody looks at the scores of what was never trained
    exclude = Sequences.of([rng.integers(0, 12, 3).tolist() for _ in range(7)])
    allowed = {
        "all": None,
        "mask": rng.random(12) < 0.7,
        "lists": Sequences.of([rng.integers(0, 12, 6).tolist() for _ in range(7)]),
    }[allow]
    masked = np.where(known, scores, -INF)
    for i in range(7):
        if allow == "mask":
            masked[i, ~allowed] = -INF
        if allow == "lists":
            masked[i, ~np.isin(np.arange(12), allowed[i])] = -INF
        masked[i, exclude[i]] = -INF
    top = rank(
        lambda block: scores[block].copy(),
        7,
        5,
        known=known,
        exclude=exclude,
        allow=allowed,
        memory=memory,
    )
    assert matches(top, masked, 5)


def test_rank_asks_for_blocks_within_the_memory_it_may_use():
    asked = []

    def score(block):
        asked.append(block.stop - block.start)
        return np.zeros((asked[-1], 10), np.float32)

    rank(score, 10, 2, known=np.ones(10, bool), memory=320)  # 80 bytes a query
    assert asked == [4, 4, 2]


def test_rank_without_queries_has_no_lists():
    top = rank(lambda block: np.zeros((0, 3)), 0, 2, known=np.ones(3, bool))
    assert top.rows.shape == (0, 2)
