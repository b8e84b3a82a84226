"""The commands in a report, typed again: what they make is the same."""

import shlex

import numpy as np
import pytest

from recembed.models.registry import estimator
from recembed.pipeline.commands import chosen
from recembed.report.document import Report
from recembed.run.folder import Run

ODD = ("--columns", "group=basket", "--min-item", 2, "--repeats", "collapse", "--seen", "allow")
KNN = ("--model", "item-knn", "--set", "neighbours=7", "--set", "recency.last=3")
CUTS = {
    "valid": ("--test", "groups:0.2", "--valid", "groups:0.2", "--tune", "--split-seed", 3),
    "test": ("--test", "time:-2d", "--refit"),
}


@pytest.mark.parametrize("on", CUTS)
def test_the_commands_of_a_report_make_it_again(shop, call, tmp_path, on):
    """Where the model learned from the held-out part, as --refit has it, too."""
    run, out = tmp_path / "a run", tmp_path / "report"
    call("train", shop.log, "--items", shop.items, "--out", run, *KNN, *ODD, *CUTS[on], "--quiet")
    asked = ("--on", on, "-k", 3, "-k", 5, "--metric", "ndcg@5", "--slice", "colour", "--seed", 4)
    shown = ("--leaks", "report", "--show-users", "--examples", 1, "--no-html", "--out", out)
    call("evaluate", run, *asked, *shown, "--quiet")
    report = Report.from_json((out / "report.json").read_text())
    with np.load(out / "places.npz") as kept:
        places = dict(kept)

    run.rename(tmp_path / "the first")
    out.rename(tmp_path / "its report")
    where = {"LOG": str(shop.log), "ITEMS": str(shop.items)}
    for command in report.commands:
        program, *words = shlex.split(command)
        assert program == "recembed"
        call(*(where.get(word, word) for word in words), "--quiet")

    again = Report.from_json((out / "report.json").read_text())
    assert again.models == report.models
    assert (again.slices, again.examples) == (report.slices, report.examples)
    assert again.commands == report.commands
    assert again.setting["data"] == report.setting["data"]
    with np.load(out / "places.npz") as kept:
        assert all(np.array_equal(kept[name], places[name]) for name in places)


def test_an_index_is_among_the_commands(call, copied, tmp_path):
    run = copied("als")
    call("index", run, "--kind", "annoy", "--target-recall", 0.9, "-k", 5, "--size", 7, "--seed", 3)
    call("evaluate", run, "--index", "both", "--out", tmp_path / "r", "--no-html", "--quiet")
    told = Report.from_json((tmp_path / "r" / "report.json").read_text()).commands
    options = "--kind annoy --target-recall 0.9 --k 5 --size 7 --seed 3"
    assert told[1] == f"recembed index '{run}' {options}"
    assert "--index both" in told[2]
    assert Run.open(run).facts["index"]["meta"]["size"] == 7


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        ("two-tower", {}, []),
        ("two-tower", {"tower": "transformer", "tower.heads": 2}, []),
        ("two-tower", {"tower": "attention"}, ["tower=attention"]),
        # 2 is what transformers have by default, attention has 4
        ("two-tower", {"tower": "attention", "tower.heads": 2}, ["tower.heads=2"]),
        ("two-tower", {"tower": "mean", "tower.recency.last": 5}, ["tower.recency.last=5"]),
        ("two-tower", {"loss": "sampled", "loss.hardest": None}, ["loss=sampled"]),
        ("two-tower", {"features.categories": ["a", "b"]}, ["features.categories=a,b"]),
        ("item2vec", {"features": ["a", "b"], "loss": "softmax"}, ["features=a,b"]),
    ],
)
def test_what_was_chosen_is_typed_so_that_it_is_chosen_again(model, values, words):
    made = estimator(model, values)
    typed = chosen(estimator(model), made)
    assert set(words) <= set(typed)
    assert len(typed) <= len(values)
    assert estimator(model, dict(word.split("=", 1) for word in typed)) == made
