"""Points in time that roll through the shop's log, against what a hand would cut and count."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.read import read_log
from recembed.errors import DataError, RunError
from recembed.pipeline import backtest as module
from recembed.pipeline.backtest import backtest
from recembed.pipeline.evaluate import evaluate
from recembed.pipeline.train import train
from recembed.pipeline.tuned import Tuned
from recembed.report.document import Search
from recembed.run.folder import Run
from recembed.run.log import load_log

MODELS = ("popularity", "item-knn")
HOW = {"points": 3, "window": "2d", "k": 10, "quiet": True, "threads": 1}
PLAIN = {"k": 10, "html": False, "examples": 0, "quiet": True}
DAY = 86_400


@pytest.fixture(scope="module")
def log(shop):
    return read_log(shop.log, items=shop.items)


@pytest.fixture(scope="module")
def done(log, tmp_path_factory):
    """The folder and what the verb returned; never change one."""
    folder = tmp_path_factory.mktemp("backtest") / "out"
    return folder, backtest(log, folder, model=MODELS, **HOW)


@pytest.fixture
def calls(monkeypatch):
    """The runs that are trained and the reports that are made, by folder."""
    made = []

    def watch(name, folder_of):
        verb = getattr(module, name)

        def watched(*given, **options):
            made.append((name, "/".join(folder_of(given, options).parts[-2:])))
            return verb(*given, **options)

        monkeypatch.setattr(module, name, watched)

    watch("train", lambda given, options: given[1])
    watch("evaluate", lambda given, options: options["out"])
    return made


def test_each_point_trains_on_what_lies_before_its_window(done, shop):
    folder, found = done
    end = max(time for _, _, time, _ in shop.events) + 1
    for i, point in enumerate(found.points, 1):
        begin, until = end - (4 - i) * 2 * DAY, end - (3 - i) * 2 * DAY
        for model in MODELS:
            log, part = load_log(Run.open(folder / f"point-{i}" / model))
            times = log.interactions.time
            assert (part == np.select([times < begin, times < until], [0, 2], 3)).all()
        asked = {user for user, _, time, _ in shop.events if begin <= time < until}
        assert (point.n_cases, point.n_clusters) == (len(asked), len(asked))
        assert str(np.datetime64(begin, "s")) in point.rule


def test_the_whole_is_the_sum_of_its_points(done, shop, tmp_path):
    folder, found = done
    reports = [
        evaluate([folder / f"point-{i}" / m for m in MODELS], out=tmp_path, **PLAIN)
        for i in (1, 2, 3)
    ]
    sizes = [report.n_cases for report in reports]
    for model in MODELS:
        means = [report.models[model]["recall@10"].mean for report in reports]
        assert [point.models[model].mean for point in found.points] == means
        assert found.models[model].mean == pytest.approx(np.average(means, weights=sizes))
        assert found.means[model] == pytest.approx(np.mean(means))
    end = max(time for _, _, time, _ in shop.events) + 1
    users = {user for user, _, time, _ in shop.events if time >= end - 6 * DAY}
    assert (found.n_cases, found.n_clusters) == (sum(sizes), len(users))
    assert found.n_clusters < found.n_cases  # a user of two windows is one cluster


def test_the_better_model_leads_over_all_cases(done):
    _, found = done
    assert found.ranking[0] == "item-knn"
    (comparison,) = found.comparisons
    assert (comparison.better, comparison.other) == ("item-knn", "popularity")
    gap = found.models["item-knn"].mean - found.models["popularity"].mean
    assert comparison.difference.mean == pytest.approx(gap)
    assert comparison.real
    assert found.verdict.startswith("item-knn leads popularity on recall@10 by ")
    firsts = sum(p.models["item-knn"].mean > p.models["popularity"].mean for p in found.points)
    assert found.verdict.endswith(f"item-knn is first at {firsts} of 3 points.")


def test_the_files_tell_what_was_found(done):
    folder, found = done
    kept = json.loads((folder / "backtest.json").read_text())
    assert kept["verdict"] == found.verdict
    assert kept["means"] == dict(found.means)
    assert [point["n_cases"] for point in kept["points"]] == [p.n_cases for p in found.points]
    text = (folder / "backtest.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| item-knn")]
    assert [len(row) for row in rows] == [6]
    assert str(found.models["item-knn"]) in rows[0]
    assert all(point.rule in text for point in found.points)


def test_a_second_call_makes_nothing_again(done, log, calls):
    folder, found = done
    assert backtest(log, folder, model=MODELS, **HOW) == found
    assert calls == []


def test_another_metric_is_told_of_the_same_runs(done, log, calls, tmp_path):
    folder, _ = done
    found = backtest(log, folder, model=MODELS, metric="ndcg@10", **HOW)
    report = evaluate([folder / "point-1" / m for m in MODELS], out=tmp_path, **PLAIN)
    assert found.points[0].models["item-knn"].mean == report.models["item-knn"]["ndcg@10"].mean
    assert [name for name, _ in calls] == []


@pytest.mark.parametrize("name", ["report.json", "places.npz"])
@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b""])
def test_a_report_that_is_not_whole_is_made_again(done, log, calls, tmp_path, name, damage):
    folder, found = done
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    file = copy / "point-2" / "report" / name
    file.write_bytes(damage(file.read_bytes()))
    assert backtest(log, copy, model=MODELS, **HOW) == found
    assert calls == [("evaluate", "point-2/report")]


def test_after_a_kill_the_same_call_goes_on(done, log, calls, tmp_path, monkeypatch):
    _, found = done
    count = iter(range(99))

    def killed(*given, **options):
        if next(count) == 3:
            raise KeyboardInterrupt
        return train(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(module, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            backtest(log, tmp_path, model=MODELS, **HOW)
    assert not (tmp_path / "backtest.json").exists()
    calls.clear()
    assert backtest(log, tmp_path, model=MODELS, **HOW) == found
    assert calls == [
        ("train", "point-2/item-knn"),
        ("evaluate", "point-2/report"),
        ("train", "point-3/popularity"),
        ("train", "point-3/item-knn"),
        ("evaluate", "point-3/report"),
    ]


def test_one_more_model_is_measured_beside_those_that_are_there(log, calls, tmp_path):
    few = HOW | {"points": 1}
    backtest(log, tmp_path, model="popularity", **few)
    calls.clear()
    found = backtest(log, tmp_path, model=MODELS, **few)
    assert calls == [("train", "point-1/item-knn"), ("evaluate", "point-1/report")]
    assert set(found.models) == set(MODELS)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"window": "3d"}, "window"),
        ({"seed": 5}, "seed"),
        ({"seen": "exclude"}, "seen"),
        ({"set": {"neighbours": 3}, "model": "item-knn"}, "setting"),
        ({"min_user": 8}, "log"),
    ],
)
def test_runs_that_were_trained_otherwise_are_refused(done, shop, other, what):
    folder, _ = done
    how = HOW | {"model": MODELS, "items": shop.items} | other
    with pytest.raises(RunError, match=rf"point-1.* was trained with another {what}"):
        backtest(shop.log, folder, **how)


def test_a_model_alone_has_no_comparison(log, tmp_path):
    found = backtest(log, tmp_path, model="popularity", **HOW | {"points": 1, "window": "48h"})
    assert found.comparisons == ()
    assert "there is no other to compare" in found.verdict
    assert found.points[0].rule.startswith("time:-48h (from")


def test_a_setting_from_a_file_is_used_and_its_hindsight_told(log, tmp_path):
    setting = {"neighbours": 7}
    data = log.interactions.fingerprint()
    search = Search("ndcg@10", 1.0, ())
    tuned = Tuned("item-knn", setting, "ndcg@10", 0.1, "time:0.1", "time:0.1", 0, data, search)
    few = HOW | {"points": 1}
    for name, about, notes in (("own", tuned, 1), ("other", replace(tuned, data="x"), 0)):
        about.write(tmp_path / "best.json")
        found = backtest(
            log, tmp_path / name, model="popularity", settings=[tmp_path / "best.json"], **few
        )
        assert found.ranking == sorted(MODELS, key=lambda m: -found.models[m].mean)
        run = Run.open(tmp_path / name / "point-1" / "item-knn")
        assert run.facts["setting"]["neighbours"] == 7
        assert len(found.notes) == notes
    with pytest.raises(DataError, match="item-knn is named 2 times"):
        backtest(log, tmp_path / "x", model=MODELS, settings=[tmp_path / "best.json"], **few)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"points": 0}, "points must be at least 1, not 0"),
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"k": (10, -2)}, "k must be at least 1, not -2"),
        ({"window": "7"}, "window is a time such as 12h, 7d or 2w, not '7'"),
        ({"window": "0d"}, "window is a time"),
        ({"window": "-7d"}, "window is a time"),
        ({"window": "9d"}, "time:-27d..-18d leaves the test part empty"),
        ({"window": "1d", "points": 13}, "leaves the train part empty"),
        ({"metric": "recal@10"}, "there is recall@10"),
        ({"metric": "recall@20"}, "recall@20 is not measured"),
        ({"model": ("als", "als")}, "als is named 2 times"),
        ({"set": {"dim": 4}}, "set is of one model, 2 are named"),
        ({"model": "popularty"}, "popularty"),
        ({"seed": -1}, "seed"),
        ({"settings": ["nowhere.json"]}, r"nowhere\.json cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(log, tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        backtest(log, tmp_path / "out", **HOW | {"model": MODELS} | given)
    assert not (tmp_path / "out").exists()


def test_a_log_without_times_has_no_points(tmp_path):
    pairs = pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"]})
    with pytest.raises(DataError, match="needs times"):
        backtest(pairs, tmp_path / "out", model="popularity", **HOW)
    assert not (tmp_path / "out").exists()
