import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.protocols import Machine, TopK
from recembed.search.annoy import AnnoyIndex
from recembed.search.audit import (
    AnnoyTuning,
    Audit,
    Truth,
    _merit,
    audit,
    best_annoy,
    placed,
    recall,
)
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


def test_speed_counts_only_among_those_that_reach_the_target():
    slow, fast = Audit(0.99, 10, 1, 10, 1), Audit(0.96, 10, 1, 900, 1)
    weak, weaker = Audit(0.9, 10, 1, 10, 1), Audit(0.5, 10, 1, 9000, 1)
    order = sorted([slow, weaker, fast, weak], key=lambda each: _merit(each, 0.95), reverse=True)
    assert order == [fast, slow, weak, weaker]


def test_best_annoy_reaches_the_target_and_keeps_one_file(tmp_path):
    items = random_items()
    queries = np.random.default_rng(1).normal(size=(150, 8)).astype(np.float32)
    queries[::10] = 0
    tuning = AnnoyTuning(target_recall=0.9, k=5, trees=10, queries=100)
    machine = Machine(threads=1)
    path, meta, search_k, result, tried = best_annoy(
        items, queries, tmp_path, tuning, machine=machine
    )
    assert list(tmp_path.iterdir()) == [path]
    assert result.recall >= 0.9
    assert (result.queries, result.bytes) == (100, path.stat().st_size)
    assert {row["metric"] for row in tried} == {"dot", "angular"}
    for metric in ("dot", "angular"):
        ladder = [row for row in tried if row["metric"] == metric]
        assert [row["search_k"] for row in ladder] == [50 * 2**i for i in range(len(ladder))]
        assert not any(row["recall"] >= 0.9 for row in ladder[:-1])
        assert ladder[-1]["recall"] >= 0.9 or metric != meta["metric"]  # a slower one gives up
    again = AnnoyIndex(path, meta, items, search_k, machine)
    assert audit(again, Truth.of(ExactIndex(items), queries, 5)).recall > 0.85


def test_a_catalogue_that_annoy_cannot_serve_faster_is_searched_in_full(tmp_path):
    items = random_items(60)
    *_, search_k, result, tried = best_annoy(items, items.vectors, tmp_path)
    assert (search_k, result.recall, len(tried)) == (60, 1, 2)
