"""Runs of popularity, which are made in no time, and their reports."""

import pytest

from recembed.report.document import Report


@pytest.fixture
def trained(call, tmp_path):
    """Train popularity on a log, with more options, and say where."""

    def train(log, *options):
        call("train", log, "--out", tmp_path / "run", "--model", "popularity", "--quiet", *options)
        return tmp_path / "run"

    return train


@pytest.fixture
def evaluated(call, tmp_path):
    """The report of a run, or of some, evaluated into a folder beside it."""

    def evaluate(run, *more):
        call("evaluate", run, *more, "--out", tmp_path / "report", "--quiet")
        return Report.from_json((tmp_path / "report" / "report.json").read_text())

    return evaluate
