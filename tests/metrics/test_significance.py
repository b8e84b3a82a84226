"""The permutation test against scipy's and every flip one by one; Holm's steps."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recembed.errors import DataError
from recembed.metrics import significance
from recembed.metrics.significance import holm, permutation_test

RANDOM = np.random.default_rng(3)


def alone(n):
    return np.arange(n)


def over_all_flips(sums):
    """The share of sign flips whose sum is as far from zero as the observed one."""
    flips = np.array([*product((1, -1), repeat=len(sums))]) @ sums
    return np.mean(np.abs(flips) >= abs(sum(sums)) - 1e-9)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=8), st.integers(0, 99))
def test_it_is_the_share_of_flips_that_are_as_large(sums, seed):
    a = np.array(sums, float)
    found = permutation_test(a, np.zeros(len(a)), alone(len(a)), seed=seed, repeats=4000)
    expected = over_all_flips(sums)
    spread = np.sqrt(expected * (1 - expected) / 4000)
    assert abs(found - expected) <= 5 * spread + 1 / 4000


def test_it_is_that_of_scipy_for_paired_samples():
    a, b = RANDOM.random(60) + 0.1, RANDOM.random(60)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y: np.sum(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).pvalue
    assert permutation_test(a, b, alone(60), seed=0, repeats=20_000) == pytest.approx(
        theirs, abs=0.01
    )


def test_clusters_flip_as_a_whole():
    # Five users of forty equal cases each: only 2 of 32 flips are as large, however many cases.
    clusters = np.repeat(np.arange(5), 40)
    found = permutation_test(np.ones(200), np.zeros(200), clusters, seed=0)
    assert found == pytest.approx(2 / 32, abs=0.01)
    assert permutation_test(np.ones(200), np.zeros(200), alone(200), seed=0) == 1 / 10_001


def test_names_order_and_direction_do_not_matter_and_the_seed_does():
    a, b, clusters = RANDOM.random(50), RANDOM.random(50), RANDOM.integers(0, 20, 50)
    found = permutation_test(a, b, clusters, seed=1)
    assert permutation_test(b, a, clusters * 7 - 5, seed=1) == found
    turned = permutation_test(a[::-1], b[::-1], clusters[::-1], seed=1)
    assert turned == pytest.approx(found, abs=0.02)
    assert permutation_test(a, b, clusters, seed=2) != found


def test_models_that_are_alike_are_called_different_as_often_as_promised():
    ps = []
    for trial in range(300):
        random = np.random.default_rng(trial)
        sizes = random.integers(1, 6, 30)
        clusters = np.repeat(np.arange(30), sizes)
        a = random.normal(size=30)[clusters] + random.normal(size=len(clusters))
        ps.append(permutation_test(a, np.zeros(len(a)), clusters, seed=trial, repeats=199))
    assert 4 <= np.count_nonzero(np.array(ps) <= 0.05) <= 28  # 15 expected, deviation 3.8


def test_many_sums_that_differ_are_rounded_and_p_hardly_moves(monkeypatch):
    a = RANDOM.normal(0.05, 1, 900) * RANDOM.choice([1, 1e-3], 900)
    exact = permutation_test(a, np.zeros(900), alone(900), seed=0)
    monkeypatch.setattr(significance, "KINDS", 10)
    rounded = permutation_test(a, np.zeros(900), alone(900), seed=0)
    assert 0.001 < exact < 0.5
    assert rounded == pytest.approx(exact, abs=0.02)


def test_no_difference_at_all_is_certain_to_be_chance():
    same = RANDOM.random(9)
    assert permutation_test(same, same, alone(9), seed=0) == 1


def test_a_difference_in_one_cluster_alone_tells_nothing():
    a = np.zeros(9)
    a[4] = 1
    assert permutation_test(a, np.zeros(9), alone(9), seed=0) == 1
    assert np.isnan(permutation_test(a, np.zeros(9), np.zeros(9, int), seed=0))


def test_a_case_without_a_value_is_left_out():
    a = np.array([1.0, 1, 1, np.nan, 5])
    b = np.array([0.0, 0, 0, 9, np.nan])
    found = permutation_test(a, b, alone(5), seed=0)
    assert found == pytest.approx(2 / 8, abs=0.02)


def test_holm_of_a_worked_example():
    assert holm(np.array([0.04, 0.01, 0.03, 0.9])) == pytest.approx([0.09, 0.04, 0.09, 0.9])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_calls_real_what_stepping_down_does(ps):
    adjusted = holm(np.array(ps))
    for level in (0.01, 0.05, 0.3):
        left, real = sorted(range(len(ps)), key=ps.__getitem__), set()
        while left and ps[left[0]] * len(left) <= level:
            real.add(left.pop(0))
        assert {i for i, p in enumerate(adjusted) if p <= level} == real


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_never_lowers_a_p_and_keeps_their_order(ps, random):
    adjusted = holm(np.array(ps))
    assert (adjusted >= np.array(ps)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(ps)]) >= 0).all()
    order = random.sample(range(len(ps)), len(ps))
    assert holm(np.array(ps)[order]) == pytest.approx(adjusted[order])


def test_holm_leaves_what_is_not_known():
    assert np.isnan(holm(np.array([np.nan, np.nan]))).all()


def test_nonsense_is_refused():
    with pytest.raises(DataError, match="same cases"):
        permutation_test(np.zeros(3), np.zeros(2), alone(3), seed=0)
    with pytest.raises(DataError, match=r"\(3,\) clusters"):
        permutation_test(np.zeros(2), np.zeros(2), alone(3), seed=0)
    with pytest.raises(DataError, match="no cases"):
        permutation_test(np.zeros(0), np.zeros(0), alone(0), seed=0)
    with pytest.raises(DataError, match="repeats must be"):
        permutation_test(np.zeros(2), np.zeros(2), alone(2), seed=0, repeats=0)
