import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError


def items(vectors, metric="dot"):
    vectors = np.asarray(vectors, np.float32)
    n = len(vectors)
    return Embeddings(Vocabulary.numbered(n), vectors, np.ones(n, bool), metric)


def test_by_hand(exactly):
    index = exactly(items([[1, 0], [0, 2], [3, 1], [0, 2]]))
    top = index.search(np.array([[1, 1], [0, -1]], np.float32), 2)
    assert top.rows.tolist() == [[2, 1], [0, 2]]
    assert top.scores.tolist() == [[4, 2], [0, -1]]
    assert top.tied.tolist() == [2, 1]


def test_cosine_scores_are_cosines_whatever_the_lengths(exactly):
    index = exactly(items([[10, 0], [3, 4], [0, 0]], "cosine"))
    top = index.search(np.array([[5, 0], [0, 0.1]], np.float32), 3)
    assert top.rows.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert top.scores == pytest.approx(np.array([[1, 0.6, 0], [0.8, 0, 0]]), abs=1e-6)


def test_a_query_of_zeros_scores_zero_everywhere(exactly):
    index = exactly(items(np.random.default_rng(0).normal(size=(50, 3))))
    top = index.search(np.zeros((1, 3), np.float32), 2, exclude=Sequences.of([[0, 2]]))
    assert (top.rows.tolist(), top.scores.tolist(), top.tied.tolist()) == ([[1, 3]], [[0, 0]], [48])


@given(seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_exact_search_equals_brute_force(exactly, world, seed):
    here = world(seed)
    top = here.search(exactly(here.embeddings))
    scores = np.where(here.eligible(), here.scores(), -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(here.k, here.n)]
    best = np.take_along_axis(scores, order, axis=1)
    assert np.array_equal(top.rows, np.where(best > -np.inf, order, -1))
    assert np.array_equal(top.scores, best)
    last = np.where(best > -np.inf, best, np.inf).min(axis=1, initial=np.inf)
    assert np.array_equal(top.tied, (scores == last[:, None]).sum(axis=1))


def test_equal_vectors_tie_in_every_batch_although_matrix_products_round_differently(exactly):
    rng = np.random.default_rng(1)
    some = rng.normal(size=(40, 61)).astype(np.float32)
    vectors = np.concatenate([some] * 25)[rng.permutation(1000)]
    index = exactly(items(vectors))
    queries = rng.normal(size=(130, 61)).astype(np.float32)
    top = index.search(queries, 30)
    assert (top.tied == 25).all()  # the second of the twins' families is cut after five
    assert (top.rows[:, :24] < top.rows[:, 1:25]).all()
    for size in (1, 2, 7, 64):
        part = index.search(queries[:size], 30)
        assert np.array_equal(part.rows, top.rows[:size])
        assert np.array_equal(part.scores, top.scores[:size])


def test_close_scores_come_in_their_true_order(exactly):
    base, step = np.float32(1), np.float32(2.0**-23)
    vectors = [[base + step * i, 1e4, -1e4] for i in range(50)]  # a plain product would lose i
    top = exactly(items(vectors)).search(np.array([[1, 1e3, 1e3]], np.float32), 5)
    assert top.rows.tolist() == [[49, 48, 47, 46, 45]]


def test_what_rounding_pushes_down_is_found_all_the_same(exactly):
    rng = np.random.default_rng(3)
    true, large = rng.permutation(200) / 200, rng.uniform(1e4, 2e4, 200)
    vectors = np.column_stack([true, large, -large])  # float32 sums are off by up to 1
    top = exactly(items(vectors)).search(np.array([[1, 1e3, 1e3]], np.float32), 10)
    assert top.rows.tolist() == [np.argsort(-true)[:10].tolist()]


def test_scores_beyond_float32_are_refused(exactly):
    with pytest.raises(DataError, match="do not fit into float32"):
        exactly(items([[1e30]])).search(np.array([[1e30]], np.float32), 1)


def test_a_tiny_mask_and_a_short_allow_list_give_the_same_answer(exactly):
    rng = np.random.default_rng(2)
    index = exactly(items(rng.normal(size=(500, 8))))
    queries = rng.normal(size=(3, 8)).astype(np.float32)
    mask = np.zeros(500, bool)
    mask[[4, 99, 321, 400]] = True
    listed = Sequences.of([[321, 4, 400, 99, 4]] * 3)
    by_mask, by_list = index.search(queries, 6, allow=mask), index.search(queries, 6, allow=listed)
    assert np.array_equal(by_mask.rows, by_list.rows)
    assert np.array_equal(by_mask.scores, by_list.scores)
    assert set(by_mask.rows[0]) == {4, 99, 321, 400, -1}
