"""Which differences between runs are real, on the command line and in Python."""

import pytest

import recembed
from recembed.errors import DataError


def test_a_planted_difference_is_real_and_the_same_as_in_the_report(made, call, tmp_path):
    runs = [made("als"), made("popularity")]
    lines = call("compare", *runs, "--quiet").out.splitlines()
    assert [line.split(" by ")[0] for line in lines] == [
        "als leads popularity on recall@10",
        "als leads popularity on ndcg@10",
    ]
    report = recembed.evaluate(runs, out=tmp_path, html=False, quiet=True)
    assert recembed.compare(runs, metric="recall@10", quiet=True) == report.comparisons
    assert lines[0] == str(report.comparisons[0])


def test_runs_that_differ_in_their_seed_alone_are_one_model(shop, made, call, tmp_path):
    runs = [tmp_path / f"seed-{seed}" for seed in (0, 1)]
    for seed, run in enumerate(runs):
        options = ("--model", "als", "--set", "dim=8", "--set", "iterations=2", "--seed", seed)
        options = (*options, "--test", "last:1", "--out", run, "--quiet")
        call("train", shop.log, "--items", shop.items, *options)
    (found,) = recembed.compare([*runs, made("popularity")], metric="mrr@5", quiet=True)
    assert (found.metric, {found.better, found.other}) == ("mrr@5", {"als", "popularity"})
    with pytest.raises(DataError, match="there is one model, and nothing to compare it with"):
        recembed.compare(runs, quiet=True)


def test_three_models_make_three_pairs_on_each_metric(made):
    names = ("als", "popularity", "item-knn")
    found = recembed.compare([made(name) for name in names], quiet=True)
    assert [each.metric for each in found] == ["recall@10"] * 3 + ["ndcg@10"] * 3
    for metric in ("recall@10", "ndcg@10"):
        pairs = {frozenset((e.better, e.other)) for e in found if e.metric == metric}
        assert len(pairs) == 3


def test_a_metric_at_a_k_above_the_catalogue_is_told_as_it_is_measured(made):
    runs = [made("als"), made("popularity")]
    n = 62  # items of the log and of its table
    (found,) = recembed.compare(runs, metric="recall@1000", quiet=True)
    assert found.metric == f"recall@{n}"


@pytest.mark.parametrize(
    ("metric", "message"), [("ndgc@10", "ndcg"), ("ndcg", "ndcg@"), ("recall@0", "recall@0")]
)
def test_a_metric_that_is_none_is_one_line(made, refused, metric, message):
    assert message in refused("compare", made("als"), made("popularity"), "--metric", metric)
