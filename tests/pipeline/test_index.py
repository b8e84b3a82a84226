"""The kinds of indices as a run's users meet them."""

import json

import pytest

import recembed
from recembed.recommender import Recommender
from recembed.report.document import Report
from recembed.run.folder import Run
from recembed.search import kinds


@pytest.mark.parametrize(("kind", "label"), [("annoy", "Annoy"), ("hnsw", "HNSW"), ("ivf", "IVF")])
def test_each_kind_serves_and_is_measured_under_its_name(
    copied, call, refused, tmp_path, kind, label
):
    run = copied("als")
    audit = json.loads(call("index", run, "--kind", kind, "--quiet").out)
    facts = Run.open(run).facts["index"]
    assert facts["kind"] == facts["meta"]["kind"] == kind
    assert facts["audit"] == audit
    assert audit["recall"] >= 0.95
    ask = ("recommend", run, "--user", "u001", "-k", 5)
    assert call(*ask).out == call(*ask, "--index", kind).out
    assert len(call(*ask).answers[0]["items"]) == 5
    other = "annoy" if kind == "ivf" else "ivf"
    said = refused(*ask, "--index", other)
    assert f"index: build it with `recembed index --kind {other}`" in said
    assert Recommender.load(run, min_recall=0.5)
    call("evaluate", run, "--index", "both", "--out", tmp_path / "r", "--no-html", "--quiet")
    told = Report.from_json((tmp_path / "r" / "report.json").read_text())
    assert {*told.models} >= {"als", f"als + {label}"}
    assert f"{label}, {facts['meta']['metric']}" in (tmp_path / "r" / "report.md").read_text()


def test_auto_leaves_few_items_to_exact_search_and_removes_an_older_index(copied, call):
    run = copied("als")
    call("index", run, "--kind", "ivf", "--quiet")
    said = call("index", run)
    assert said.out == '{"kind": "exact"}\n'
    assert Run.open(run).facts["index"] is None
    assert not Run.open(run).has("index")


@pytest.mark.parametrize("gain", [0.0, 1e9])
def test_auto_keeps_an_index_only_if_it_is_faster(copied, monkeypatch, gain):
    """60 items are never searched faster than exactly by more than chance: the bar is moved."""
    run = copied("als")
    monkeypatch.setattr(kinds, "APPROXIMATE_FROM", 10)
    monkeypatch.setattr("recembed.pipeline.index.PAYS", gain)
    audit = recembed.index(run, quiet=True)
    facts = Run.open(run).facts["index"]
    if gain:
        assert audit is facts is None
    else:
        assert facts["kind"] in ("ivf", "hnsw")
        assert facts["audit"]["recall"] == audit.recall >= 0.95
