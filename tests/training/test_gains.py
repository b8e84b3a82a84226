"""From scores to losses and gains, against numpy in float64."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from recembed.training import gains
from recembed.training.lanes import WIDE

RATE = np.float32(0.05)
SCORES = st.lists(st.floats(-200, 200, width=32), min_size=2, max_size=40)


@njit
def logistic(lines, line, sign, weight, lr):
    return gains.logistic(lines, line, sign, weight, lr)


@njit
def softmax(lines, line, offset, weight, positive, lr):
    return gains.softmax(lines, line, offset, weight, positive, lr)


def padded(values, fill=0.0):
    line = np.full(-(-len(values) // WIDE) * WIDE, fill, np.float32)
    line[: len(values)] = values
    return line


def lines_of(scores):
    """Three lines with the scores in the middle one."""
    lines = np.full((3, len(padded(scores))), 5, np.float32)
    lines[1] = padded(scores)
    return lines


def logistic_of(scores, weight):
    lines = lines_of(scores)
    sign = np.ones(lines.shape[1], np.float32)
    sign[0] = -1
    loss = logistic(lines, 1, sign, weight, RATE)
    assert (lines[[0, 2]] == 5).all()
    return loss, lines[1]


def softmax_of(scores, weight, offset, positive=0):
    lines = lines_of(scores)
    loss = softmax(lines, 1, padded(offset, 1.0), weight, positive, RATE)
    assert (lines[[0, 2]] == 5).all()
    return loss, lines[1]


@given(SCORES, st.integers(0, 2**32 - 1))
@example([200.0] * 9, 0)
@example([-200.0, 200.0, 31.9, -31.9, 32.1, -32.1, 0.0, 1e-30, -0.0], 0)
def test_logistic_losses_and_gains_are_exact_to_float32(scores, seed):
    weight = padded(np.random.default_rng(seed).integers(0, 2, len(scores)))
    loss, found = logistic_of(scores, weight)
    z = np.float64(scores) * np.where(np.arange(len(scores)) == 0, -1, 1)
    there = weight[: len(scores)].astype(np.float64)
    assert np.isclose(loss, (there * np.logaddexp(0, z)).sum(), rtol=1e-5, atol=1e-6)
    slope = np.exp(-np.logaddexp(0, -z))
    right = -RATE * np.where(np.arange(len(scores)) == 0, -1, 1) * there * slope
    assert np.allclose(found[: len(scores)], right, rtol=1e-5, atol=1e-14)
    assert not found[len(scores) :].any()


@given(SCORES, st.integers(0, 2**32 - 1))
@example([200.0] * 9, 0)
@example([-200.0, 200.0, 168.1, -31.9, 32.1, -32.1, 0.0, 1e-30, -0.0], 0)
def test_softmax_losses_and_gains_are_exact_to_float32(scores, seed):
    random = np.random.default_rng(seed)
    weight = padded(random.integers(0, 2, len(scores)))
    positive = random.integers(len(scores))
    weight[positive] = 1
    offset = random.uniform(0, 15, len(scores)).astype(np.float32)
    loss, found = softmax_of(scores, weight, offset, positive)
    there = weight[: len(scores)] > 0
    logits = np.float64(np.float32(scores) + offset)
    top = logits[there].max()
    shares = np.where(there, np.exp(np.minimum(logits - top, 0)), 0)
    right = np.log(shares.sum()) + top - logits[positive]
    assert np.isclose(loss, right, rtol=1e-5, atol=4e-5)  # the last place of a logit of 215: 2e-5
    gain = RATE * (np.eye(len(scores))[positive] - shares / shares.sum())
    assert np.allclose(found[: len(scores)], gain, rtol=1e-4, atol=RATE * 1e-5)
    assert abs(found.sum()) < RATE * 1e-5
    assert not found[len(scores) :].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", range(9))
def test_a_score_that_is_no_number_makes_a_loss_that_is_none(bad, at):
    """Infinity is none either, unless it is what the loss wants: there the loss is 0, not NaN."""
    scores = np.linspace(-1, 1, 9)
    scores[at] = bad
    weight = padded(np.ones(9))
    losses = logistic_of(scores, weight)[0], softmax_of(scores, weight, np.zeros(9))[0]
    wanted = bad == (np.inf if at == 0 else -np.inf)
    assert not np.isfinite(losses[0])
    assert not np.isfinite(losses[1]) or wanted


def test_what_has_weight_0_leaves_loss_and_gains_alone():
    """A negative that is the positive itself."""
    weight = padded([1, 1, 0, 1])
    for run in (logistic_of, lambda s, w: softmax_of(s, w, np.zeros(4))):
        loss, found = run([0.5, -1.0, 2.0, 0.25], weight)
        other_loss, other = run([0.5, -1.0, -90.0, 0.25], weight)
        assert loss == other_loss
        assert found[2] == other[2] == 0
        assert np.array_equal(found, other)


def test_the_positive_alone_costs_the_softmax_nothing():
    loss, found = softmax_of([3.0, 9.0], padded([1, 0]), np.zeros(2))
    assert loss == 0
    assert not found.any()
