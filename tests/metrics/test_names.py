"""Metrics by name."""

import pytest

from recembed.errors import DataError
from recembed.metrics.accuracy import METRICS
from recembed.metrics.names import metric_at


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_read_with_its_k(name):
    assert metric_at(f"{name}@10") == (name, 10)
    assert metric_at(f"{name}@1") == (name, 1)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("ncdg@20", "ndcg@20"),
        ("NDCG@20", "ndcg@20"),
        ("recal@5", "recall@5"),
        ("hitrate@5", "hit_rate@5"),
        ("MAP@5", "map@5"),
        ("precison", "precision@10"),
        ("ndgc@0", "ndcg@10"),
    ],
)
def test_a_typo_is_told_the_nearest_name(typo, meant):
    with pytest.raises(DataError, match=f"no metric '{typo}'; there is {meant}"):
        metric_at(typo)


def test_what_is_like_nothing_is_told_all_names():
    with pytest.raises(DataError, match=r"there is recall@10, ndcg@10, mrr@10, .*, map@10$"):
        metric_at("zzz@10")


@pytest.mark.parametrize("k", ["0", "00", "-1", "1.5", "ten", "1e3", "²", " 10", "9" * 5000])
def test_a_k_that_is_none_is_refused(k):
    with pytest.raises(DataError, match="not a whole number above 0: 'ndcg@10'") as told:
        metric_at(f"ndcg@{k}")
    assert f"k is {k!r}" in str(told.value)


@pytest.mark.parametrize("text", ["ndcg", "ndcg@"])
def test_a_metric_without_k_is_refused(text):
    with pytest.raises(DataError, match="k is missing"):
        metric_at(text)
