"""Reports written by hand, and what is made of them."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.metrics.intervals import Interval
from recembed.metrics.places import Places
from recembed.report.document import Comparison, Finding, Report

NAN = float("nan")
LEAD = Comparison("recall@3", "recent", "a|b_c", Interval(0.1, 0.05, 0.14), 0.001, 0.002)
REPORT = Report(
    metric="recall@3",
    models={
        "a|b_c": {"recall@3": Interval(0.1, 0.05, 0.15), "recall@10": Interval(0.3, 0.2, 0.4)},
        "recent": {"recall@3": Interval(0.2, 0.15, 0.25), "recall@10": Interval(0.25, 0.2, 0.3)},
    },
    details={
        "a|b_c": {"coverage@3": 0.5, "tied_share": None, "cases_per_second": 1e4},
        "recent": {"coverage@3": 0.7, "tied_share": 0.0, "cases_per_second": 3.0},
    },
    comparisons=(LEAD,),
    ks=(3, 10),
    n_cases=40,
    n_clusters=9,
    counts={"cases": 40, "cold_cases": 2},
    definitions={"recall@k": "found / targets"},
    setting={"test_rule": "last:1", "runs": {"dim": 8}},
    notes=("k 50 cut to 10",),
    places={
        "recent": (Places(np.array([0, 1]), np.array([2], np.int32), np.ones(1, np.int32), 10),)
    },
)


def test_a_clear_lead_is_the_verdict():
    assert REPORT.verdict == (
        "recent leads a|b_c on recall@3 by 0.1000 [0.0500, 0.1400], p 0.002 after Holm's "
        "correction (40 cases of 9 users)."
    )


@pytest.mark.parametrize(
    "unsure",
    [
        replace(LEAD, difference=Interval(0.1, -0.1, 0.3)),
        replace(LEAD, p_holm=0.05),
        replace(LEAD, p_holm=NAN),
    ],
)
def test_a_lead_within_chance_is_no_lead(unsure):
    assert LEAD.real
    assert not unsure.real
    verdict = replace(REPORT, comparisons=(unsure,)).verdict
    assert verdict.startswith("recent and a|b_c cannot be told apart on recall@3: they differ by")


def test_a_difference_of_one_user_is_told_without_an_interval():
    alone = replace(LEAD, difference=Interval(0.1, NAN, NAN), p=NAN, p_holm=NAN)
    assert replace(REPORT, comparisons=(alone,), n_clusters=1).verdict == (
        "recent and a|b_c cannot be told apart on recall@3: they differ by 0.1000, one user has "
        "no interval (40 cases of 1 user)."
    )


def test_where_the_second_is_close_the_verdict_names_the_first_that_is_beaten():
    close = replace(LEAD, other="close", difference=Interval(0.01, -0.01, 0.02))
    verdict = replace(REPORT, comparisons=(close, LEAD)).verdict
    assert verdict.startswith("recent and close cannot be told apart")
    assert "; recent leads a|b_c on recall@3 by" in verdict


def test_one_model_has_its_metric_for_a_verdict():
    alone = replace(REPORT, models={"recent": REPORT.models["recent"]}, comparisons=())
    assert alone.verdict == (
        "recent has recall@3 0.2000 [0.1500, 0.2500] (40 cases of 9 users); there is no other to "
        "compare."
    )


def test_a_leak_that_was_let_pass_is_in_the_verdict():
    leaky = replace(REPORT, findings=(Finding("leak", "time", "x"), Finding("note", "y", "z")))
    assert leaky.verdict.endswith(" Not to be trusted: the audit found 1 leak.")
    assert "leak" not in REPORT.verdict


def test_everything_but_the_places_survives_json(report, bare, big):
    for written in (REPORT, report, big):
        again = Report.from_json(written.to_json())
        assert again.to_json() == written.to_json()
        assert again.places == {}
    assert Report.from_json(REPORT.to_json()) == REPORT
    unknown = Report.from_json(bare.to_json()).models["popularity"]["recall@10"]
    assert unknown.mean == 0.1
    assert not unknown.known


def test_the_keys_of_the_json_are_those_of_the_report():
    kept = json.loads(REPORT.to_json())
    named = [field.name for field in fields(Report) if field.name != "places"]
    assert list(kept) == ["format", "verdict", *named]
    assert kept["models"]["recent"]["recall@3"] == {"mean": 0.2, "low": 0.15, "high": 0.25}
    assert kept["details"]["a|b_c"]["tied_share"] is None
    assert list(kept["comparisons"][0]) == [
        *("metric", "better", "other", "difference", "p", "p_holm")
    ]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"format": 1}', '{"format": 2}', '{"format": 2, "verdict": ""}', "null"],
)
def test_what_is_no_report_is_refused(text):
    with pytest.raises(DataError, match=r"[rR]eport"):
        Report.from_json(text)


def test_a_report_with_a_field_too_many_is_refused():
    kept = json.loads(REPORT.to_json()) | {"colour": 1}
    with pytest.raises(DataError, match="colour"):
        Report.from_json(json.dumps(kept))


def test_a_table_has_a_line_a_model_the_best_first():
    assert REPORT.table() == (
        "model   recall@3\nrecent  0.2000 [0.1500, 0.2500]\na|b_c   0.1000 [0.0500, 0.1500]\n"
    )
    assert REPORT.table(["recall@10", "recall@3"]).splitlines()[2].split() == [
        *("a|b_c", "0.3000", "[0.2000,", "0.4000]", "0.1000", "[0.0500,", "0.1500]")
    ]
    with pytest.raises(DataError, match=r"no 'recall@7'; it has: recall@3, recall@10"):
        REPORT.table(["recall@7"])
