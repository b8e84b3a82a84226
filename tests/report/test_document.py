"""Reports written by hand, and what is made of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from recembed.errors import DataError
from recembed.report.document import Comparison, Report
from recembed.metrics.intervals import Interval

REPORT = Report(
    models={
        "a|b_c": {"recall@3": Interval(0.1, 0.05, 0.15), "recall@10": Interval(0.3, 0.2, 0.4)},
        "recent": {"recall@3": Interval(0.2, 0.15, 0.25), "recall@10": Interval(0.25, 0.2, 0.3)},
    },
    details={
        "a|b_c": {
            "coverage@3": 0.5,
            "coverage@10": 1.0,
            "tied_share": None,
            "cases_per_second": 1e4,
        },
        "recent": {
            "coverage@3": 0.7,
            "coverage@10": 0.9,
            "tied_share": 0.0,
            "cases_per_second": 3.0,
        },
    },
    comparisons=(Comparison("recall@3", "recent", "a|b_c", Interval(0.1, 0.05, 0.14)),),
    ks=(3, 10),
    n_cases=40,
    n_clusters=9,
    counts={"cases": 40, "cold_cases": 2},
    definitions={"recall@k": "found / targets"},
    setting={"test_rule": "last:1", "caller": {"dim": 8}},
    notes=("k 50 cut to 10",),
    ranks={"recent": np.array([1, -1], np.int32)},
)


def test_a_clear_lead_is_the_verdict():
    assert REPORT.verdict == (
        "recent leads a|b_c on recall@3 by 0.1000 [0.0500, 0.1400]: the interval excludes zero "
        "(40 cases of 9 users)."
    )


def test_a_lead_within_chance_is_no_lead():
    (lead,) = REPORT.comparisons
    close = replace(REPORT, comparisons=(replace(lead, difference=Interval(0.1, -0.1, 0.3)),))
    assert close.verdict == (
        "recent and a|b_c cannot be told apart on recall@3: they differ by "
        "0.1000 [-0.1000, 0.3000], the interval includes zero (40 cases of 9 users)."
    )


def test_everything_but_the_ranks_survives_json():
    again = Report.from_json(REPORT.to_json())
    assert again == REPORT
    assert again.ranks == {}
    assert again.to_json() == REPORT.to_json()


def test_the_keys_of_the_json_are_those_documented():
    kept = json.loads(REPORT.to_json())
    assert list(kept) == [
        *("format", "verdict", "models", "details", "comparisons", "ks", "n_cases", "n_clusters"),
        *("counts", "definitions", "setting", "notes"),
    ]
    assert kept["models"]["recent"]["recall@3"] == {"mean": 0.2, "low": 0.15, "high": 0.25}
    assert kept["details"]["a|b_c"]["tied_share"] is None
    assert list(kept["comparisons"][0]) == ["metric", "leader", "other", "difference"]
    assert kept["comparisons"][0]["difference"] == {"mean": 0.1, "low": 0.05, "high": 0.14}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}', '{"format": 1}', "null"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(DataError, match="report"):
        Report.from_json(text)


def test_the_page_leads_with_the_verdict_and_shows_every_k():
    lines = REPORT.to_markdown().splitlines()
    assert lines[2].startswith("**recent leads a\\|b\\_c on recall@3 by")
    three, ten = lines.index("## At 3"), lines.index("## At 10")
    assert lines[three + 2 : three + 6] == [
        "| model | recall@3 | coverage@3 |",
        "| --- | --- | --- |",
        "| recent | 0.2000 [0.1500, 0.2500] | 0.7000 |",
        "| a\\|b\\_c | 0.1000 [0.0500, 0.1500] | 0.5000 |",
    ]
    assert lines[ten + 4].startswith("| a\\|b\\_c | 0.3000")  # the best at 10
    titles = [line[3:] for line in lines if line.startswith("## ")]
    assert titles == [
        *("At 3", "At 10", "Paired differences", "Notes", "Ties and speed", "Counts"),
        *("Definitions", "Setting"),
    ]
    assert "| a\\|b\\_c | unknown | 10,000 |" in lines
    assert '- caller: {"dim": 8}' in lines


def test_a_table_has_a_line_a_model_the_best_first():
    assert REPORT.table() == (
        "model   recall@3\nrecent  0.2000 [0.1500, 0.2500]\na|b_c   0.1000 [0.0500, 0.1500]\n"
    )
    assert REPORT.table(["recall@10", "recall@3"]).splitlines()[1].split() == [
        *("a|b_c", "0.3000", "[0.2000,", "0.4000]", "0.1000", "[0.0500,", "0.1500]")
    ]
    with pytest.raises(DataError, match=r"no 'recall@7'; it has: recall@3, recall@10"):
        REPORT.table(["recall@7"])
