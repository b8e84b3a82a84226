"""Distributions that the trainers draw from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from recembed.training import sampler
from recembed.training.sampler import AliasTable, keep_probability, negative_weights

STATES = st.integers(1, 2**64 - 1)
WORD = 2**64 - 1
MULTIPLIER = 2685821657736338717


@njit
def draw(state, alias):
    return sampler.draw(state, alias)


@njit
def within(state, most):
    return sampler.within(state, most)


@njit
def kept(state, chance):
    return sampler.kept(state, chance)


@njit
def draws(state, alias, counts, n):
    for _ in range(n):
        state, row = sampler.draw(state, alias)
        counts[row] += 1


def state_before(bits):
    """The state after which the generator gives these 64 bits."""
    state = bits * pow(MULTIPLIER, -1, 2**64) & WORD
    for shift in (17, -7, 13):
        begin = state
        for _ in range(64 // abs(shift)):
            state = begin ^ (state << shift & WORD if shift > 0 else state >> -shift)
    return np.uint64(state)


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


@given(
    STATES,
    st.lists(st.integers(0, 10**6), min_size=1, max_size=80).filter(any),
    st.integers(1, 2**31),
    st.sampled_from([0.0, 1e-6, 0.3, 0.999, 1.0]),
)
def test_the_compiled_generator_is_the_plain_one(xorshift, state, counts, most, chance):
    table = AliasTable.of(np.array(counts, float))
    plain, now, packed = xorshift(state), state, table.packed()
    for _ in range(5):
        now, row = draw(np.uint64(now), packed)
        assert (row, now) == (plain.draw(table), plain.state)
        now, number = within(np.uint64(now), most)
        assert (number, now) == (plain.within(most), plain.state)
        now, stays = kept(np.uint64(now), np.float32(chance))
        assert (stays, now) == (plain.kept(np.float32(chance)), plain.state)


@pytest.mark.parametrize("low", [0, 1, 2**31, 2**32 - 1])
def test_a_row_of_weight_0_is_drawn_by_no_bits_at_all(low):
    table = AliasTable.of(np.array([0.0, 3.0, 0.0, 1.0]))
    for high in range(0, 2**32, 2**28):
        row = draw(state_before(high << 32 | low), table.packed())[1]
        assert row in (1, 3)


def test_rows_come_as_often_as_they_weigh():
    """Each count is within five deviations of what a binomial distribution expects."""
    weights = np.random.default_rng(4).random(50) ** 4
    expected, n = weights / weights.sum(), 10**6
    counts = np.zeros(50, np.int64)
    draws(np.uint64(12345), AliasTable.of(weights).packed(), counts, n)
    assert (np.abs(counts - n * expected) <= 5 * np.sqrt(n * expected * (1 - expected))).all()


@pytest.mark.parametrize("most", [1, 2, 5, 10**6, 2**31])
def test_whole_numbers_reach_from_1_to_the_most(most):
    assert within(state_before(0), most)[1] == 1
    assert within(state_before(WORD), most)[1] == most


def test_a_chance_of_1_takes_nothing_from_the_generator():
    assert kept(np.uint64(7), np.float32(1)) == (7, True)
    assert not kept(state_before(0), np.float32(0))[1]  # nothing is below 0
