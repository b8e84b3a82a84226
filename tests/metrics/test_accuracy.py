"""Accuracy at k: a worked example, slow obvious versions, and scikit-learn's nDCG."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.metrics.accuracy import (
    METRICS,
    first_places,
    hit_rate,
    hits_of,
    mrr,
    ndcg,
    precision,
    recall,
)
from recembed.metrics.beyond import listed

# Two lists of four: places 2 and 4 hit, of three to find; nothing hit, of one to find.
HITS = np.array([[False, True, False, True], [False, False, False, False]])
RELEVANT = np.array([3, 1])


def test_a_worked_example_at_four():
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert recall(HITS, RELEVANT, 4).tolist() == [2 / 3, 0]
    assert precision(HITS, RELEVANT, 4).tolist() == [2 / 4, 0]
    assert hit_rate(HITS, RELEVANT, 4).tolist() == [1, 0]
    assert mrr(HITS, RELEVANT, 4).tolist() == [1 / 2, 0]
    assert ndcg(HITS, RELEVANT, 4) == pytest.approx([gain / ideal, 0])
    assert first_places(HITS).tolist() == [2, -1]


def test_a_worked_example_at_two_where_more_is_to_be_found_than_fits():
    ideal = 1 + 1 / math.log2(3)
    assert recall(HITS, RELEVANT, 2).tolist() == [1 / 3, 0]
    assert precision(HITS, RELEVANT, 2).tolist() == [1 / 2, 0]
    assert ndcg(HITS, RELEVANT, 2) == pytest.approx([1 / math.log2(3) / ideal, 0])
    assert [metric(HITS, RELEVANT, 1).sum() for metric in METRICS.values()] == [0] * 5


@st.composite
def listings(draw):
    """Lists without repeats (some cut short by -1), target sets, and k."""
    n_items, n = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    width = draw(st.integers(1, n_items))
    rows, targets = [], []
    for _ in range(n):
        order = draw(st.permutations(range(n_items)))
        end = draw(st.integers(0, width))
        rows.append(list(order[:end]) + [-1] * (width - end))
        targets.append(
            draw(st.lists(st.integers(0, n_items - 1), min_size=1, max_size=n_items, unique=True))
        )
    return np.array(rows, np.int32), targets, draw(st.integers(1, width + 3))


def slowly(name, row, wanted, k):
    """A metric of one case, straight from its definition."""
    places = [place for place, item in enumerate(row[:k], 1) if item in wanted]
    best = range(1, min(len(wanted), k) + 1)
    return {
        "recall": len(places) / len(wanted),
        "precision": len(places) / k,
        "hit_rate": float(bool(places)),
        "mrr": 1 / places[0] if places else 0,
        "ndcg": sum(1 / math.log2(p + 1) for p in places) / sum(1 / math.log2(p + 1) for p in best),
    }[name]


@pytest.mark.parametrize("name", METRICS)
@given(listings())
def test_every_metric_agrees_with_its_slow_version(name, example):
    rows, targets, k = example
    found = METRICS[name](hits_of(rows, Sequences.of(targets)), np.array([*map(len, targets)]), k)
    expected = [slowly(name, row, wanted, k) for row, wanted in zip(rows, targets, strict=True)]
    assert found.dtype == np.float64
    assert found == pytest.approx(expected)


@given(listings())
def test_hits_are_targets_of_their_own_case(example):
    rows, targets, _ = example
    expected = [
        [item in wanted for item in row] for row, wanted in zip(rows.tolist(), targets, strict=True)
    ]
    assert hits_of(rows, Sequences.of(targets)).tolist() == expected
    at = [next((place for place, hit in enumerate(row, 1) if hit), -1) for row in expected]
    assert first_places(np.array(expected)).tolist() == at


@given(st.permutations(range(9)), st.sets(st.integers(0, 8), min_size=1), st.integers(1, 9))
def test_ndcg_is_that_of_scikit_learn(order, wanted, k):
    truth = np.array([[item in wanted for item in range(9)]], float)
    scores = np.empty((1, 9))
    scores[0, list(order)] = np.arange(9, 0, -1)
    hits = hits_of(np.array([order], np.int32), Sequences.of([list(wanted)]))
    found = ndcg(hits, np.array([len(wanted)]), k)[0]
    assert found == pytest.approx(ndcg_score(truth, scores, k=k))


def test_no_target_and_no_place_is_no_hit():
    rows = np.array([[0, -1], [1, 2]], np.int32)
    assert not hits_of(rows, Sequences.of([[], []])).any()
    assert not hits_of(rows[:, :0], Sequences.of([[0], [1]])).any()
    assert first_places(np.zeros((2, 0), bool)).tolist() == [-1, -1]


def test_nonsense_is_refused():
    with pytest.raises(DataError, match="1 of 2 cases have no relevant item"):
        recall(HITS, np.array([0, 1]), 2)
    with pytest.raises(DataError, match="k must be at least 1"):
        ndcg(HITS, RELEVANT, 0)
    with pytest.raises(DataError, match="2 lists but 1"):
        mrr(HITS, RELEVANT[:1], 2)
    with pytest.raises(DataError, match="do not fit 1 target"):
        hits_of(np.zeros((2, 3), np.int32), Sequences.of([[1]]))


def test_coverage_counts_each_listed_item_once():
    rows = np.array([[0, 3], [3, -1]], np.int32)
    assert listed(rows, 5).tolist() == [True, False, False, True, False]
    assert listed(np.zeros((0, 2), np.int32), 0).size == 0
