"""The bench harness, with a benchmark of its own that takes no time."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TINY = '''"""A sum, twice.

More about it.
"""
import os, sys
from benchmarks.harness import at_least, at_most

def run(quick, repeat):
    print("noise from Python")
    os.system("echo noise from a process")
    bars = [at_least("high", 2.0, 1.5), at_most("low", 2.0, 3.0 if quick else 1.0)]
    return {"sum": 1 + 1, "repeat": repeat}, bars
'''


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "tests" / "benchmarks"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "harness.py"):
        shutil.copy(ROOT / "tests" / "benchmarks" / name, folder)
    (folder / "tiny_sum.py").write_text(TINY)

    def run(*arguments: str, tests: Path = folder.parent):
        return subprocess.run(
            [sys.executable, "-P", "-m", "benchmarks", *arguments],
            env=os.environ | {"PYTHONPATH": str(tests)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_bench_lists_start_and_its_first_line(bench):
    lines = bench(tests=ROOT / "tests").stdout.splitlines()
    (line,) = [line for line in lines if line.split()[0] == "start"]
    assert "demo" in line
    assert not any(line.startswith(("harness", "__")) for line in lines)


def test_bench_prints_one_json_document_and_keeps_it_beside_the_benchmark(bench, tmp_path):
    done = bench("tiny-sum", "--json", "--repeat")
    told = json.loads(done.stdout)
    assert done.returncode == 1  # `low` fell short
    assert "noise from Python" in done.stderr
    assert "noise from a process" in done.stderr
    assert told["name"] == "tiny-sum"
    assert told["figures"] == {"sum": 2, "repeat": True}
    assert told["bars"] == [
        {"name": "high", "value": 2.0, "at_least": 1.5, "holds": True},
        {"name": "low", "value": 2.0, "at_most": 1.0, "holds": False},
    ]
    assert told["commit"] is None  # no repository here
    assert set(told["machine"]) == {"processor", "cores", "memory_gib", "system", "python"}
    kept = tmp_path / "tests" / "benchmarks" / "tiny_sum.json"
    assert json.loads(kept.read_text()) == told


def test_a_quick_run_keeps_no_document_and_shows_a_table_of_verdicts(bench, tmp_path):
    done = bench("tiny_sum", "--quick")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["high", "2", ">=", "1.5", "held"] in rows
    assert not list(tmp_path.rglob("*.json"))
    assert "fell short" in bench("tiny-sum").stdout


def test_an_unknown_benchmark_is_told_in_one_line_with_those_there_are(bench):
    done = bench("speed")
    assert done.returncode == 2
    assert done.stderr == "no benchmark 'speed'; there are: tiny-sum\n"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("benchmarks.harness")


def test_alternating_measures_in_turns_and_reverses_every_other_round(harness):
    calls: list[str] = []
    medians = harness.alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"  # the first two are the warm-up
    assert set(medians) == {"a", "b"}


def test_a_bar_holds_at_its_bound_and_never_for_nan(harness):
    assert harness.at_least("x", 1.0, 1.0).holds
    assert harness.at_most("x", 1.0, 1.0).holds
    assert not harness.at_least("x", float("nan"), 1.0).holds
    assert not harness.at_most("x", float("nan"), 1.0).holds
    assert harness.at_most("x", float("nan"), 1.0).document()["value"] is None


def test_the_peak_memory_of_a_process_counts_its_children(harness):
    child = "import time; x = bytearray(200 << 20); time.sleep(0.4)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peak = harness.process([sys.executable, "-c", parent]).peak_gib
    assert 0.19 < peak < 0.5


def test_a_process_that_fails_is_an_error_with_its_last_words(harness):
    with pytest.raises(harness.BenchError, match="ended with 3:\nlast words"):
        harness.process(["bash", "-c", "echo last words; exit 3"])


def test_peers_without_a_version_are_refused(harness):
    with pytest.raises(harness.BenchError, match="these are not: gensim"):
        harness.peers(["numpy==2.0.0", "gensim"])
