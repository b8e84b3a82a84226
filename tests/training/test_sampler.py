"""Distributions that the trainers draw from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.training.sampler import AliasTable, keep_probability, negative_weights


def chances(table):
    """The chance of each row, read off the table."""
    n = len(table.keep)
    found = table.keep.astype(np.float64) / n
    np.add.at(found, table.other, (1 - table.keep.astype(np.float64)) / n)
    return found


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=80).filter(any),
    st.sampled_from([-2.0, -0.5, 0.0, 0.75, 1.0]),
)
def test_rows_are_drawn_in_proportion_to_their_weights_and_rows_of_weight_zero_never(
    counts, exponent
):
    weights = negative_weights(np.array(counts), exponent)
    table = AliasTable.of(weights)
    assert np.allclose(chances(table), weights / weights.sum(), atol=1e-6)
    assert not chances(table)[np.array(counts) == 0].any()
    assert table.keep.dtype == np.float32
    assert table.other.dtype == np.int32


@given(st.integers(0, 2**32))
def test_rounding_never_lets_a_row_of_weight_zero_through(seed):
    random = np.random.default_rng(seed)
    weights = random.random(random.integers(2, 300)) ** random.integers(1, 9)
    weights[random.random(len(weights)) < 0.3] = 0
    weights[random.integers(len(weights))] = 0.1
    table = AliasTable.of(weights)
    assert not chances(table)[weights == 0].any()


def test_a_negative_exponent_favours_what_is_rare():
    weights = negative_weights(np.array([100, 0, 4, 1]), -0.5)
    assert np.allclose(weights, [0.1, 0, 0.5, 1])
    assert np.array_equal(negative_weights(np.array([100, 0, 4]), 0), [1, 0, 1])
    assert np.allclose(negative_weights(np.array([16, 0, 81]), 0.75), [8, 0, 27])


def test_the_chance_to_keep_a_token_is_word2vecs():
    counts = np.array([80, 19, 1, 0])
    share = np.array([0.8, 0.19])
    expected = np.sqrt(0.05 / share) + 0.05 / share
    assert np.allclose(keep_probability(counts, 0.05), [*expected, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_threshold_0_and_1_keep_all(threshold):
    assert (keep_probability(np.array([5, 1, 0]), threshold) == 1).all()
