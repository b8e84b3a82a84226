"""A run with everything in it."""

import shutil

import pytest


@pytest.fixture(scope="session")
def full_run(made, call, tmp_path_factory):
    """With an index and a report; never change it."""
    run = tmp_path_factory.mktemp("faults") / "run"
    shutil.copytree(made("als"), run)
    call("index", run, "--kind", "annoy", "--quiet")
    call("evaluate", run, "--quiet", "--no-html")
    return run
