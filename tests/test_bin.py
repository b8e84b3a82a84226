"""The scripts of a fresh machine, with a stand-in for Python so that nothing is installed."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [*sorted((ROOT / "bin").glob("[!.]*")), ROOT / ".ci" / "run"]
TOOLS = ["bash", "cat", "cksum", "cp", "dirname", "mkdir", "readlink", "rm", "sed", "tail", "uname"]

# Answers as Python 3.12 does and notes each call; `-m venv DIR` puts a copy of itself there.
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$*" | head -n 1 >>"$CALLS"
case "$1 ${2:-}" in
  "-V ") echo "Python 3.12.1" ;;
  "-c "*) echo "3.12 venv headers" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") case "$*" in *"$PIP_FAILS"*) echo "pip says why"; exit 1 ;; esac ;;
esac
"""
PYTHON_3_9 = f"""#!/usr/bin/env bash
exec '{sys.executable}' -c 'import sys
code = sys.argv[2]
sys.version_info = (3, 9, 18, "final", 0)
exec(code)' "$@"
"""


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


class Machine:
    """A checkout in a folder with a space, and the answers of its python."""

    def __init__(self, folder: Path) -> None:
        self.repo, self.calls = folder / "my work" / "repo", folder / "calls"
        (self.repo / "bin").mkdir(parents=True)
        shutil.copy(ROOT / "bin" / ".venv.sh", self.repo / "bin")
        (self.repo / "pyproject.toml").write_text("[project]\n")
        (self.repo / ".constraints.txt").write_text("torch==2.0.0\n")
        executable(
            self.repo / "bin" / "go",
            "#!/usr/bin/env bash\nset -euo pipefail\n"
            '. "$(dirname -- "$(readlink -f -- "$0")")/.venv.sh" "$1"\necho "$venv"\n',
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHON": str(executable(folder / "python", STAND_IN)),
            "CXX": "true -O2",
            "CALLS": str(self.calls),
            "PIP_FAILS": "nothing",
            "PIP_NO_INDEX": "1",
        }

    def go(self, extra: str = "demo", script: Path | None = None, **environment: str):
        self.calls.write_text("")
        return subprocess.run(
            [script or self.repo / "bin" / "go", extra],
            env=self.environment | environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def pip_calls(self) -> list[str]:
        calls = self.calls.read_text().splitlines()
        return [call.removeprefix("-m pip ") for call in calls if call.startswith("-m pip install")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_executable_bash_without_syntax_errors(script: Path):
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", script], check=True)


def test_there_are_scripts_for_the_demo_the_tests_the_checks_and_the_benchmarks():
    assert [path.name for path in SCRIPTS] == ["bench", "check", "demo", "test", "run"]


def test_an_old_python_is_refused_in_one_line_before_anything_is_made(machine, tmp_path):
    done = machine.go(PYTHON=str(executable(tmp_path / "old", PYTHON_3_9)))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "3.11 or newer is needed" in line
    assert f"{tmp_path / 'old'} is 3.9" in line
    assert not (machine.repo / ".venv").exists()


def test_a_python_that_is_not_there_is_named(machine):
    done = machine.go(PYTHON="/no/such/python")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "/no/such/python is not there" in line


def test_a_missing_compiler_is_one_line_with_the_commands_that_install_it(machine, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    for tool in [*TOOLS, "env", "head"]:
        (only / tool).symlink_to(str(shutil.which(tool)))
    done = machine.go(PATH=str(only), CXX="no-such-compiler")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no C++ compiler" in line
    assert "apt install g++" in line
    assert not (machine.repo / ".venv").exists()


@pytest.mark.parametrize(
    ("facts", "lacking"),
    [("3.12 headers", "3.12 has no venv"), ("3.12 venv", "3.12 has no Python.h")],
)
def test_a_python_without_venv_or_headers_is_told_apart(machine, tmp_path, facts, lacking):
    half = STAND_IN.replace("3.12 venv headers", facts)
    done = machine.go(PYTHON=str(executable(tmp_path / "half", half)))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert lacking.replace("3.12", "(3.12)") in line


def test_the_first_run_installs_what_is_pinned_and_the_second_calls_no_pip(machine):
    first = machine.go()
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == str(machine.repo / ".venv")
    assert machine.pip_calls()[-1] == "install -c .constraints.txt -e .[demo]"
    second = machine.go()
    assert (second.returncode, second.stderr, machine.pip_calls()) == (0, "", [])


def test_a_script_reached_through_a_link_finds_its_repository(machine, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(machine.repo / "bin" / "go")
    assert machine.go(script=link).stdout.strip() == str(machine.repo / ".venv")


def test_dev_serves_the_demo_but_the_demo_does_not_serve_dev(machine):
    machine.go("demo")
    machine.go("dev")
    assert machine.pip_calls()[-1] == "install -c .constraints.txt -e .[dev]"
    machine.go("demo")
    assert machine.pip_calls() == []


@pytest.mark.parametrize("name", ["pyproject.toml", ".constraints.txt"])
def test_other_requirements_are_installed_into_the_same_environment(machine, name):
    machine.go()
    with (machine.repo / name).open("a") as file:
        file.write("# changed\n")
    machine.go()
    assert machine.pip_calls()
    assert "-m venv" not in machine.calls.read_text()


def test_a_failed_installation_says_why_and_the_next_run_goes_on(machine):
    failed = machine.go(PIP_FAILS="-e .")
    assert failed.returncode == 1
    assert "pip says why" in failed.stderr
    assert "run go again" in failed.stderr
    assert machine.go().returncode == 0
    assert "-m venv" not in machine.calls.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the default torch is for the CPU")
def test_without_a_cpu_build_the_default_torch_is_taken(machine):
    done = machine.go(PIP_FAILS="+cpu")
    assert done.returncode == 0
    assert "default build" in done.stderr


def test_a_moved_folder_gets_a_new_environment(machine, tmp_path):
    machine.go()
    machine.repo = machine.repo.rename(tmp_path / "elsewhere")
    assert machine.go().returncode == 0
    assert "-m venv" in machine.calls.read_text()


def test_an_environment_whose_python_is_gone_is_made_anew(machine):
    machine.go()
    (machine.repo / ".venv" / "bin" / "python").unlink()
    assert machine.go().returncode == 0
    assert "-m venv" in machine.calls.read_text()


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
