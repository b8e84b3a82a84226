"""Weighted correlations against scipy's, where a weight is so many equal cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recembed.metrics.correlation import Correlation
from recembed.metrics.intervals import Resamples

LEVELS = st.integers(-3, 3)  # few, so that many are equal
CASES = st.lists(st.tuples(LEVELS, LEVELS, st.integers(0, 3)), min_size=2, max_size=30)


@given(CASES)
def test_weights_are_so_many_equal_cases(cases):
    first, second, weights = np.array(cases, np.float64).T
    found = Correlation(first, second)
    x, y = (np.repeat(column, weights.astype(int)) for column in (first, second))
    if len({*x.tolist()}) < 2 or len({*y.tolist()}) < 2:
        assert math.isnan(found.pearson(weights))
        assert math.isnan(found.spearman(weights))
        return
    assert found.pearson(weights) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert found.spearman(weights) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_places_are_all_that_spearman_sees():
    random = np.random.default_rng(0)
    first, second = random.normal(size=50), random.normal(size=50)
    found = Correlation(first, second)
    assert Correlation(np.exp(first), second**3).spearman() == found.spearman()
    assert Correlation(np.exp(first), second**3).pearson() != found.pearson()
    assert found.spearman() == pytest.approx(stats.spearmanr(first, second).statistic)


def test_a_large_shift_costs_no_precision():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 200))
    near = Correlation(first, second).pearson()
    assert Correlation(first + 1e6, second - 1e6).pearson() == pytest.approx(near, abs=1e-8)


def test_the_interval_of_a_mean_is_that_of_the_mean():
    random = np.random.default_rng(0)
    clusters, values = random.integers(0, 30, 200), random.random(200)
    resamples = Resamples(clusters, seed=1)
    found = resamples.interval_of(lambda weights: float(weights @ values / weights.sum()))
    wanted = resamples.interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (wanted.mean, wanted.low, wanted.high), rel=1e-12
    )


def test_the_interval_of_a_correlation_is_scipys():
    random = np.random.default_rng(3)
    first = random.normal(size=150)
    second = first + random.normal(size=150)
    found = Resamples(np.arange(150), seed=0).interval_of(Correlation(first, second).spearman)
    theirs = stats.bootstrap(
        (first, second),
        lambda x, y: stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=random,
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.1 * width
    assert abs(found.high - theirs.high) < 0.1 * width


def test_one_case_and_no_value_have_no_interval():
    one = Resamples(np.zeros(3, np.int64), seed=0).interval_of(lambda weights: 1.0)
    assert (one.mean, one.known) == (1.0, False)
    flat = Correlation(np.ones(3), np.arange(3.0))
    none = Resamples(np.arange(3), seed=0).interval_of(flat.spearman)
    assert math.isnan(none.mean)
    assert not none.known
