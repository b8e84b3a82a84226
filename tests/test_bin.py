"""The scripts of a fresh machine, with a stand-in for Python so that nothing is installed."""

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
