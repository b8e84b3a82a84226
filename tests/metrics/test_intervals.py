"""The cluster bootstrap against a slow version of itself, scipy's, and its own promise."""

import numpy as np
import pytest
from scipy import stats

from recembed.errors import DataError
from recembed.metrics import intervals
from recembed.metrics.intervals import Interval, Resamples

RANDOM = np.random.default_rng(7)
CLUSTERS = RANDOM.integers(0, 40, 300)
VALUES = RANDOM.random(300) + CLUSTERS / 40


def bootstrap(values, clusters, **options):
    return Resamples(clusters, **options).interval(values)


def bootstrap_columns(values, clusters, **options):
    return Resamples(clusters, **options).intervals(list(values.T))


def test_the_mean_is_the_mean_of_all_cases():
    interval = bootstrap(VALUES, CLUSTERS, seed=0)
    assert interval.mean == pytest.approx(VALUES.mean())
    assert interval.low < interval.mean < interval.high


def test_it_does_what_drawing_whole_clusters_one_by_one_does():
    names = np.unique(CLUSTERS)
    draws = RANDOM.integers(0, len(names), (4000, len(names)))
    means = [
        np.concatenate([VALUES[names[at] == CLUSTERS] for at in draw]).mean() for draw in draws
    ]
    low, high = np.quantile(means, [0.05, 0.95])
    interval = bootstrap(VALUES, CLUSTERS, seed=3, repeats=4000, level=0.9)
    assert abs(interval.low - low) < 0.05 * (high - low)
    assert abs(interval.high - high) < 0.05 * (high - low)


def test_clusters_that_are_alike_are_drawn_as_often_as_others():
    # 30 users of two cases hit both, 70 of one case miss: a resample with x of the 30 has the mean
    # 2x / (100 + x), and x is binomial.
    clusters = np.concatenate([np.repeat(np.arange(30), 2), np.arange(30, 100)])
    values = (clusters < 30).astype(float)
    x = stats.binom(100, 0.3).ppf([0.025, 0.975])
    found = bootstrap(values, clusters, seed=0, repeats=20_000)
    assert found.mean == pytest.approx(60 / 130)
    assert (found.low, found.high) == pytest.approx(tuple(2 * x / (100 + x)), abs=1e-12)


def test_blocks_of_resamples_change_nothing(monkeypatch):
    whole = bootstrap(VALUES, CLUSTERS, seed=1, repeats=100)
    monkeypatch.setattr(intervals, "MEMORY", 16 * 40 * 7)
    parts = bootstrap(VALUES, CLUSTERS, seed=1, repeats=100)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_one_case_a_cluster_is_the_ordinary_bootstrap_of_scipy():
    values = RANDOM.exponential(size=200)
    ours = bootstrap(values, np.arange(200), seed=0, repeats=4000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.05 * width
    assert abs(ours.high - theirs.high) < 0.05 * width


def test_clusters_cover_the_truth_where_single_cases_do_not():
    covered = {"clusters": 0, "cases": 0}
    for trial in range(200):
        random = np.random.default_rng(trial)
        sizes = random.integers(1, 12, 50)
        owner = np.repeat(np.arange(50), sizes)
        values = random.normal(size=50)[owner] + 0.3 * random.normal(size=len(owner))
        for name, clusters in (("clusters", owner), ("cases", np.arange(len(owner)))):
            found = bootstrap(values, clusters, seed=trial, repeats=200)
            covered[name] += found.low < 0 < found.high
    assert 180 <= covered["clusters"] <= 198  # 95 % promised, percentile intervals fall a bit short
    assert covered["cases"] < 140


def test_columns_share_their_resamples_and_agree_with_one_at_a_time():
    both = bootstrap_columns(np.stack([VALUES, VALUES**2], axis=1), CLUSTERS, seed=5)
    alone = [bootstrap(VALUES, CLUSTERS, seed=5), bootstrap(VALUES**2, CLUSTERS, seed=5)]
    for one, other in zip(both, alone, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    same = bootstrap_columns(np.stack([VALUES, 2 * VALUES], axis=1), CLUSTERS, seed=5)
    assert (same[1].low, same[1].high) == pytest.approx((2 * same[0].low, 2 * same[0].high))


def test_a_paired_difference_sees_what_two_intervals_cannot():
    better = VALUES + 0.01
    a, b = (bootstrap(values, CLUSTERS, seed=0) for values in (better, VALUES))
    assert a.low < b.high
    difference = bootstrap(better - VALUES, CLUSTERS, seed=0)
    assert difference.mean == pytest.approx(0.01)
    assert difference.excludes_zero
    back = bootstrap(VALUES - better, CLUSTERS, seed=0)
    assert back.excludes_zero
    assert back.mean == pytest.approx(-0.01)
    assert not bootstrap(VALUES - VALUES, CLUSTERS, seed=0).excludes_zero


def test_names_of_clusters_do_not_matter_and_the_seed_does():
    renamed = bootstrap(VALUES, CLUSTERS * 1000 - 7, seed=0)
    assert renamed == bootstrap(VALUES, CLUSTERS, seed=0)
    assert renamed != bootstrap(VALUES, CLUSTERS, seed=1)


def test_a_single_cluster_has_a_mean_but_no_interval():
    found = bootstrap(np.array([0.0, 1.0]), np.array([4, 4]), seed=0)
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()
    assert not found.known
    assert not found.excludes_zero
    assert bootstrap(np.array([0.0, 1.0]), np.array([4, 5]), seed=0).known


def test_a_nan_leaves_its_case_out_of_its_own_column_only():
    holes = VALUES.copy()
    holes[RANDOM.random(300) < 0.3] = np.nan
    holes[CLUSTERS < 5] = np.nan  # some clusters have nothing at all
    found = bootstrap_columns(np.stack([VALUES, holes, VALUES], axis=1), CLUSTERS, seed=5)
    assert found[0] == found[2]
    assert found[1].mean == pytest.approx(np.nanmean(holes))
    names = np.unique(CLUSTERS)
    members = [holes[name == CLUSTERS] for name in names]
    means = [
        np.nanmean(np.concatenate([members[at] for at in draw]))
        for draw in RANDOM.integers(0, len(names), (4000, len(names)))
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    assert abs(found[1].low - low) < 0.08 * (high - low)
    assert abs(found[1].high - high) < 0.08 * (high - low)


def test_full_columns_are_as_if_no_other_had_holes():
    holes = np.where(CLUSTERS % 3, VALUES, np.nan)
    beside = bootstrap_columns(np.stack([VALUES, holes], axis=1), CLUSTERS, seed=5)[0]
    alone = bootstrap(VALUES, CLUSTERS, seed=5)
    assert (beside.mean, beside.low, beside.high) == pytest.approx(
        (alone.mean, alone.low, alone.high)
    )


def test_columns_with_no_case_or_of_one_cluster_have_no_interval():
    nothing, one = np.full(300, np.nan), np.where(CLUSTERS == 3, VALUES, np.nan)
    empty, single = bootstrap_columns(np.stack([nothing, one], axis=1), CLUSTERS, seed=0)
    assert np.isnan([empty.mean, empty.low, empty.high]).all()
    assert single.mean == pytest.approx(VALUES[CLUSTERS == 3].mean())
    assert not single.known


def test_a_resample_without_a_case_of_a_column_is_left_out():
    # Two of three clusters have the column: a resample of only the third (1 in 27) tells nothing.
    values = np.array([[0.0], [1.0], [np.nan]])
    found = bootstrap_columns(values, np.arange(3), seed=0)[0]
    assert (found.mean, found.low, found.high) == (0.5, 0, 1)


def test_some_of_the_cases_are_resampled_as_if_they_were_all():
    at = np.flatnonzero(VALUES > 0.8)
    part = Resamples(CLUSTERS, seed=5).interval(VALUES[at], at)
    holes = np.where(VALUES > 0.8, VALUES, np.nan)
    assert part == bootstrap(holes, CLUSTERS, seed=5)


def test_many_clusters_are_drawn_in_random_groups_of_the_same_width(monkeypatch):
    clusters = np.repeat(np.arange(3000), 2)
    values = RANDOM.exponential(size=6000) + np.repeat(RANDOM.random(3000), 2)
    whole = bootstrap(values, clusters, seed=0)
    monkeypatch.setattr(intervals, "BINS", 700)
    resamples = Resamples(clusters, seed=0)
    assert np.bincount(np.bincount(resamples.bin)).nonzero()[0].tolist() == [8, 10]  # 4 or 5 users
    grouped = resamples.interval(values)
    assert grouped.mean == whole.mean
    assert grouped.high - grouped.low == pytest.approx(whole.high - whole.low, rel=0.12)


def test_an_interval_reads_as_people_write_it():
    assert str(Interval(0.12345, 0.1, 0.2)) == "0.1235 [0.1000, 0.2000]"


def test_nonsense_is_refused():
    with pytest.raises(DataError, match="no cases"):
        bootstrap(np.zeros(0), np.zeros(0, int), seed=0)
    with pytest.raises(DataError, match="do not fit 2 cases"):
        bootstrap(np.zeros(3), np.zeros(2, int), seed=0)
    for wrong in ({"repeats": 0}, {"level": 1.0}, {"level": 0.0}):
        with pytest.raises(DataError, match="repeats must be"):
            bootstrap(VALUES, CLUSTERS, seed=0, **wrong)
