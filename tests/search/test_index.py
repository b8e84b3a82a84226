"""What every index promises, over random worlds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.protocols import Index, Machine

SEEDS = st.integers(0, 2**32)


def plain(n=20, dim=4):
    vectors = np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)
    return Embeddings(Vocabulary.numbered(n), vectors, np.ones(n, bool))


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_lists_are_full_and_hold_only_eligible_items_once_with_true_scores(build, world, seed):
    here = world(seed)
    top = here.search(build(here.embeddings))
    may, scores = here.eligible(), here.scores()
    assert top.rows.dtype == np.int32
    assert top.scores.dtype == np.float32
    assert top.tied.dtype == np.int32
    assert top.rows.shape == (len(here.queries), min(here.k, here.n))
    for query in range(len(here.queries)):
        size = min(here.k, may[query].sum())
        rows, given_scores = top.rows[query, :size], top.scores[query, :size]
        assert (top.rows[query, size:] == -1).all()
        assert (top.scores[query, size:] == -np.inf).all()
        assert (rows >= 0).all()
        assert len(np.unique(rows)) == size
        assert may[query, rows].all()
        assert np.array_equal(given_scores, scores[query, rows])
        order = np.lexsort((rows, -given_scores))
        assert np.array_equal(order, np.arange(size))


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_one_query_is_answered_as_in_a_batch(build, world, seed):
    here = world(seed)
    index = build(here.embeddings)
    top = here.search(index)
    for query in range(len(here.queries)):
        alone = here.search(index, slice(query, query + 1))
        assert np.array_equal(alone.rows[0], top.rows[query])
        assert np.array_equal(alone.scores[0], top.scores[query])
        assert alone.tied[0] == top.tied[query]


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_one_byte_of_memory_changes_no_answer(build, world, seed):
    here = world(seed)
    wide, narrow = build(here.embeddings), build(here.embeddings, Machine(threads=2, memory=1))
    top, same = here.search(wide), here.search(narrow)
    assert np.array_equal(top.rows, same.rows)
    assert np.array_equal(top.scores, same.scores)
    assert np.array_equal(top.tied, same.tied)


def test_every_kind_is_an_index(build):
    index: Index = build(plain())
    assert index.search(np.zeros((0, 4), np.float32), 3).rows.shape == (0, 3)


@pytest.mark.parametrize("n", [0, 7])
def test_a_catalogue_without_known_items_gives_empty_lists(build, n):
    nothing = Embeddings(
        Vocabulary.numbered(n), np.ones((n, 3), np.float32), np.zeros(n, bool), "cosine"
    )
    top = build(nothing).search(np.ones((2, 3), np.float32), 5)
    assert top.rows.tolist() == [[-1] * min(5, n)] * 2
    assert np.isneginf(top.scores).all()
    assert top.tied.tolist() == [0, 0]


@pytest.mark.parametrize("metric", ["dot", "cosine"])
def test_queries_of_zeros_and_lists_longer_than_the_catalogue_are_full(build, metric):
    items = Embeddings(Vocabulary.numbered(20), plain().vectors, np.ones(20, bool), metric)
    top = build(items).search(np.zeros((2, 4), np.float32), 30)
    assert top.rows.tolist() == [[*range(20)]] * 2
    assert (top.scores == 0).all()
    top = build(items).search(np.zeros((1, 4), np.float32), 2)
    assert len({*top.rows[0].tolist()}) == 2
    assert (top.scores == 0).all()


def test_a_query_with_nothing_eligible_gets_an_empty_list(build):
    allow = Sequences.of([[], [3, 4]])
    exclude = Sequences.of([[], [3, 4]])
    top = build(plain()).search(np.ones((2, 4), np.float32), 3, exclude=exclude, allow=allow)
    assert (top.rows == -1).all()
    assert top.tied.tolist() == [0, 0]


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(build, k):
    with pytest.raises(DataError, match=f"k must be at least 1, not {k}"):
        build(plain()).search(np.ones((1, 4), np.float32), k)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 5)])
def test_queries_of_another_dim_are_refused(build, shape):
    with pytest.raises(DataError, match=r"queries are \[n, 4\]"):
        build(plain()).search(np.ones(shape, np.float32), 2)


def test_queries_that_are_not_finite_are_refused(build):
    queries = np.ones((3, 4), np.float32)
    queries[1, 2] = np.nan
    with pytest.raises(DataError, match=r"1 of 3 queries have NaN .* first: rows 1"):
        build(plain()).search(queries, 2)


@pytest.mark.parametrize("name", ["exclude", "allow"])
def test_filters_that_do_not_fit_are_refused(build, name):
    index, queries = build(plain()), np.ones((2, 4), np.float32)
    with pytest.raises(DataError, match="2 queries came with 1 lists"):
        index.search(queries, 2, **{name: Sequences.of([[1]])})
    with pytest.raises(DataError, match=rf"2 of 3 rows to {name} are outside 0..19, first: -1, 20"):
        index.search(queries, 2, **{name: Sequences.of([[-1], [20, 3]])})
    with pytest.raises(DataError, match=r"allow mask is bool \[20\]"):
        index.search(queries, 2, allow=np.ones(3, bool))


def test_item_vectors_that_are_not_finite_are_refused_where_they_are_known(build):
    vectors = np.ones((3, 2), np.float32)
    vectors[1] = np.inf
    ids = Vocabulary.numbered(3)
    with pytest.raises(DataError, match=r"1 of 3 item vectors .* rows 1"):
        build(Embeddings(ids, vectors, np.ones(3, bool)))
    unknown = build(Embeddings(ids, vectors, np.array([True, False, True])))
    assert unknown.search(np.ones((1, 2), np.float32), 3).rows.tolist() == [[0, 2, -1]]
