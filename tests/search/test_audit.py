import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.protocols import TopK
from recembed.search.audit import Truth, audit, placed, recall
from recembed.search.exact import ExactIndex


def lists(rows, scores):
    rows = np.array(rows, np.int32)
    return TopK(rows, np.array(scores, np.float32), np.full(len(rows), -1, np.int32))


class Canned:
    def __init__(self, answer):
        self.answer, self.asked = answer, None

    def search(self, queries, k, *, exclude=None, allow=None):
        self.asked = queries
        return self.answer


def random_items(n=2000, dim=8, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return Embeddings(Vocabulary.numbered(n), vectors, np.ones(n, bool))


def test_an_item_that_ties_with_the_kth_counts_as_found():
    truth = lists([[4, 1], [7, 2]], [[5, 3], [9, 8]])
    found = lists([[4, 6], [7, 3]], [[5, 3], [9, 7]])  # 6 ties with 1; 3 is worse than 2
    assert recall(found, truth) == 3 / 4


def test_lists_shorter_than_k_are_measured_by_what_there_is():
    truth = lists([[4, -1], [-1, -1]], [[5, -np.inf], [-np.inf, -np.inf]])
    assert recall(truth, truth) == 1
    assert recall(lists([[-1, -1]] * 2, [[-np.inf] * 2] * 2), truth) == 0


def test_nothing_to_find_is_found():
    empty = lists(np.zeros((2, 0)), np.zeros((2, 0)))
    assert recall(empty, empty) == 1


def test_users_without_a_vector_are_left_out_of_the_audit():
    answer = lists([[0]], [[1]])
    index, exact = Canned(answer), Canned(answer)
    queries = np.array([[0, 0], [0, -1], [0, 0]], np.float32)
    result = audit(index, Truth.of(exact, queries, k=1), build_seconds=2.5, bytes=7)
    assert index.asked.tolist() == exact.asked.tolist() == [[0, -1]]
    assert (result.recall, result.k, result.queries) == (1, 1, 1)
    assert (result.build_seconds, result.bytes) == (2.5, 7)
    with pytest.raises(DataError, match="all of the 2 are zeros"):
        placed(queries[[0, 2]])


def test_exact_search_audits_itself_as_perfect():
    items = random_items(300)
    exact = ExactIndex(items)
    assert audit(exact, Truth.of(exact, items.vectors[:20])).recall == 1


def test_what_a_query_may_not_list_is_left_out_of_both_lists():
    items = random_items(300)
    exact, queries = ExactIndex(items), items.vectors[:20].copy()
    queries[3] = 0
    seen = Sequences.of(exact.search(queries, 5).rows.tolist())
    truth = Truth.of(exact, queries, 5, seen)
    rows = [row for row in range(20) if row != 3]
    second = exact.search(queries[rows], 10).rows[:, 5:]
    assert np.array_equal(truth.top.rows, second)
    assert audit(exact, truth).recall == 1
