"""Beside accuracy: worked examples, and the definitions pair by pair."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from recembed.arrays import unit
from recembed.data.sequences import Sequences
from recembed.metrics.beyond import (
    coverage,
    distance_by_category,
    distance_by_vector,
    gini,
    novelty,
    popularity,
    popularity_lift,
)

ROWS = np.array([[0, 1], [2, -1], [-1, -1]], np.int32)
EVENTS = np.array([8, 4, 0, 4])
N_ITEMS = 7


@st.composite
def lists(draw):
    width = draw(st.integers(1, N_ITEMS))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        order = draw(st.permutations(range(N_ITEMS)))
        end = draw(st.integers(0, width))
        rows.append(list(order[:end]) + [-1] * (width - end))
    return np.array(rows, np.int32)


def same(found, expected):
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-5)


def test_coverage_counts_each_listed_item_once():
    assert coverage(np.array([3, 0, 1, 0])) == 0.5


def test_gini_of_worked_examples():
    assert gini(np.array([5, 5, 5, 5])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 7])) == pytest.approx(3 / 4)
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)
    assert math.isnan(gini(np.zeros(3, np.int64)))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_gini_is_the_mean_difference_over_twice_the_mean(counts):
    n = len(counts)
    apart = sum(abs(a - b) for a in counts for b in counts) / n**2
    assert gini(np.array(counts)) == pytest.approx(apart / (2 * sum(counts) / n), abs=1e-12)


def test_novelty_is_in_bits_and_an_item_without_events_is_as_new_as_the_rarest():
    same(novelty(ROWS, EVENTS), [(1 + 2) / 2, 4, np.nan])
    same(novelty(ROWS, np.zeros(4, np.int64)), [0, 0, np.nan])


def test_popularity_is_the_mean_of_the_listed_items():
    same(popularity(ROWS, EVENTS), [6, 0, np.nan])


def test_popularity_lift_compares_with_every_event_of_the_history():
    histories = Sequences.of([[3, 1, 3], [0], [0]])
    same(popularity_lift(ROWS, histories, EVENTS), [6 / 4 - 1, -1, np.nan])


def test_popularity_lift_of_nobody_is_unknown():
    rows = np.array([[0], [0]], np.int32)
    same(popularity_lift(rows, Sequences.of([[], [2]]), EVENTS), [np.nan, np.nan])


def test_recommending_the_own_history_has_no_lift():
    history = np.array([[3, 1, 0]], np.int32)
    same(popularity_lift(history, Sequences.of([[0, 1, 3]]), EVENTS), [0])


def pair_mean(row, has, distance):
    row = [item for item in row if item >= 0 and has(item)]
    pairs = [distance(a, b) for a, b in combinations(row, 2)]
    return np.mean(pairs) if pairs else np.nan


@given(lists(), st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS), st.integers(0, 99))
def test_distance_by_vector_is_the_mean_of_scikit_learn_over_all_pairs(rows, known, seed):
    vectors = unit(np.random.default_rng(seed).normal(size=(N_ITEMS, 3)).astype(np.float32))
    apart = pairwise_distances(vectors, metric="cosine")
    expected = [pair_mean(row, known.__getitem__, lambda a, b: apart[a, b]) for row in rows]
    same(distance_by_vector(rows, vectors, np.array(known)), expected)


def test_equal_and_opposite_vectors():
    vectors = np.array([[1, 0], [1, 0], [-1, 0]], np.float32)
    rows = np.array([[0, 1], [0, 2]], np.int32)
    same(distance_by_vector(rows, vectors, np.ones(3, bool)), [0, 2])


CATEGORIES = st.lists(
    st.lists(st.integers(0, 4), max_size=3, unique=True), min_size=N_ITEMS, max_size=N_ITEMS
)


@given(lists(), CATEGORIES)
def test_distance_by_category_is_the_mean_of_one_minus_jaccard_over_all_pairs(rows, categories):
    def apart(a, b):
        one, other = {*categories[a]}, {*categories[b]}
        return 1 - len(one & other) / len(one | other)

    expected = [pair_mean(row, categories.__getitem__, apart) for row in rows]
    same(distance_by_category(rows, Sequences.of(categories)), expected)


def test_no_categories_and_no_lists():
    nothing = Sequences.of([[], []])
    same(distance_by_category(np.array([[0, 1]], np.int32), nothing), [np.nan])
    empty = np.zeros((0, 3), np.int32)
    assert distance_by_category(empty, nothing).shape == (0,)
    assert novelty(empty, EVENTS).shape == (0,)
