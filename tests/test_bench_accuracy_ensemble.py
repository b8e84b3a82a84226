"""The ensemble of `bin/bench accuracy`, on a few histories."""

import importlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recembed.metrics.accuracy import ndcg
from recembed.models.registry import estimator
from recembed.protocols import Machine

ROOT = Path(__file__).parents[1]
HERE = Machine(threads=1, device="cpu")


@pytest.fixture
def part(monkeypatch):
    """A module of the benchmark by the rest of its name."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return lambda name: importlib.import_module(f"benchmarks.accuracy_{name}")


@pytest.fixture
def asked(part, monkeypatch, tmp_path):
    """Leave-one-out of 30 histories of 12 items in a circle, some left out."""
    random = np.random.default_rng(1)
    lines = [
        (user, (start + step) % 12, step)
        for user, start in enumerate(random.integers(0, 12, 30).tolist())
        for step in range(7)
        if random.random() < 0.8
    ]
    (tmp_path / "lines").mkdir()
    columns = zip(*lines, strict=True)
    table = dict(zip(("user_id", "item_id", "position"), columns, strict=True))
    pq.write_table(pa.table(table), tmp_path / "lines" / "interactions.parquet")
    monkeypatch.setenv("RECEMBED_DATA", str(tmp_path))
    monkeypatch.setattr(part("data"), "DEPTH", 10)
    data = part("data").Data("lines", "lines", "last:1", "last:1", k=3)
    return part("data").Asked.of(data, "test", HERE)


def test_transitions_score_by_what_came_right_after_the_last_item(part, asked):
    histories = asked.cases.histories()
    top = part("ensemble").Transitions.of(asked.log).top_k(histories, 12)
    sentences = [each.tolist() for each in asked.log.interactions.events]
    followers = [pair for each in sentences for pair in pairwise(each)]
    for case, history in enumerate(histories.events):
        expected = {row: followers.count((history[-1], row)) for row in range(12)}
        counts = np.expm1(top.scores[case]).round().astype(int).tolist()
        assert dict(zip(top.rows[case].tolist(), counts, strict=True)) == expected


def test_an_ensemble_with_one_weight_ranks_as_that_member_does(part, asked, monkeypatch):
    ensemble = part("ensemble")
    monkeypatch.setattr(ensemble, "AT_ONCE", 4)
    members = [estimator("ease").fit(asked.log), ensemble.Transitions.of(asked.log)]
    for weights, member in zip(((1.0, 0.0), (0.0, 2.0)), members, strict=True):
        found, alone = asked.places(ensemble.Ensemble(members, weights)), asked.places(member)
        assert found.above.tolist() == alone.above.tolist()
        assert found.tied.tolist() == alone.tied.tolist()


def test_scores_are_standardised_over_what_may_be_listed(part, asked):
    histories, barred = asked.cases.histories(), asked.cases.exclude(False)
    member = estimator("ease").fit(asked.log)
    (scores,) = part("ensemble").standardised([member], histories, barred)
    free = np.ones_like(scores, bool)
    free[barred.owners(), barred.values] = False
    assert (scores[~free] == 0).all()
    for row, there in zip(scores, free, strict=True):
        assert row[there].mean() == pytest.approx(0, abs=1e-5)
        assert row[there].std() == pytest.approx(1, abs=1e-4)


def test_weights_are_told_for_what_they_rank_and_a_kept_tower_is_not_trained_again(
    part, asked, monkeypatch, tmp_path
):
    pytest.importorskip("torch")
    ensemble, settings = part("ensemble"), part("settings")
    tiny = {"tower": "mean", "dim": 4, "epochs": 1}
    tower = settings.Row("lines", "tower", "two-tower", tiny)
    monkeypatch.setattr(ensemble, "members", lambda data: (tower, settings.Row(data, "e", "ease")))
    monkeypatch.setattr(ensemble, "WEIGHTS", {"lines": {}})
    monkeypatch.setattr(ensemble, "SCRATCH", tmp_path / "kept")
    monkeypatch.setattr(ensemble, "TRIED", (0.0, 1.0))
    first, spent = ensemble.kept(tower, 0, asked)
    again, same = ensemble.kept(tower, 0, asked)
    assert same == spent
    assert again.items.vectors.tolist() == first.items.vectors.tolist()
    assert len(list((tmp_path / "kept").iterdir())) == 1
    found = {weights: gain for gain, weights in ensemble.choose("lines", asked)}
    assert sorted(found) == [(1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)]
    for weights, gain in found.items():
        row = settings.Row("lines", "ensemble", "ensemble", dict(enumerate(weights)))
        places = asked.places(ensemble.together(row, 0, asked)[0])
        assert places.tied.max() == 1  # so that both break ties alike
        assert gain == pytest.approx(ndcg(places, 10).mean())
