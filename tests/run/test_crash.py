"""Killed, locked out, out of space: what another process finds afterwards."""

import subprocess
import sys
import textwrap

import pytest

from recembed.errors import RunError
from recembed.run.folder import Run, writing

MOMENTS = 8  # moves of a write of two files: 2 files, the manifest; and what comes around them


def python(code, *arguments):
    """Runs code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


KILLED = """
import os, sys
from pathlib import Path
from recembed.run.folder import writing
folder, new, at = sys.argv[1], sys.argv[2] == "True", int(sys.argv[3])
steps = 0

def dying(real):
    def call(*arguments):
        global steps
        steps += 1
        if steps == at:
            os._exit(9)
        return real(*arguments)
    return call

os.fsync = dying(os.fsync)
Path.replace = dying(Path.replace)
Path.unlink = dying(Path.unlink)
with writing(folder, new=new) as writer:
    writer.text("a", "new", "txt")
    writer.text("b", "new", "txt")
    writer.facts({"version": "new"})
"""


def version(folder):
    """The version of a run, all of whose files must be of it."""
    opened = Run.open(folder)
    texts = {opened.text(name) for name in ("a", "b")}
    assert texts == {opened.facts["version"]}
    return texts.pop()


@pytest.fixture
def run(tmp_path):
    with writing(tmp_path / "run", new=True) as writer:
        writer.text("a", "old", "txt")
        writer.text("b", "old", "txt")
        writer.facts({"version": "old"})
    return tmp_path / "run"


@pytest.mark.parametrize("new", [True, False])
def test_a_kill_at_any_moment_leaves_the_old_run_or_the_new_one(run, new):
    seen = []
    for at in range(1, 30):
        died = python(KILLED, run, new, at).returncode
        seen.append(version(run))
        if died == 0:
            break
        assert died == 9
        with writing(run, new=True) as writer:  # works on what the killed writer left
            writer.text("a", "old", "txt")
            writer.text("b", "old", "txt")
            writer.facts({"version": "old"})
        assert sorted(p.suffix for p in run.iterdir()) == ["", ".json", ".txt", ".txt"]
    assert died == 0
    assert len(seen) > MOMENTS
    switch = seen.index("new")
    assert 0 < switch < len(seen) - 1
    assert set(seen[switch:]) == {"new"}


def test_a_kill_of_the_first_write_leaves_a_folder_that_can_be_written_again(tmp_path):
    for at in (1, 2, 3, 4, 5, 6):
        folder = tmp_path / str(at)
        assert python(KILLED, folder, True, at).returncode == 9
        with pytest.raises(RunError, match="is not a run"):
            Run.open(folder)
        with writing(folder, new=True) as writer:
            writer.text("a", "fresh", "txt")
        assert Run.open(folder).text("a") == "fresh"
        assert len(list(folder.iterdir())) == 3


def test_a_lock_file_that_was_just_made_is_no_obstacle(tmp_path):
    (tmp_path / ".lock").touch()
    with writing(tmp_path, new=True) as writer:
        writer.text("a", "x", "txt")
    assert Run.open(tmp_path).text("a") == "x"


@pytest.mark.parametrize("new", [True, False])
def test_a_second_writer_is_refused_and_the_first_one_ends_well(run, new):
    with writing(run, new=False) as first:
        first.text("a", "first", "txt")
        with (
            pytest.raises(RunError, match="another process is writing"),
            writing(run, new=new) as second,
        ):
            second.text("a", "second", "txt")
        first.text("b", "first", "txt")
        first.facts({"version": "first"})
    assert version(run) == "first"


def test_a_writer_of_another_process_is_refused_too(tmp_path):
    code = """
    import sys
    from recembed.run.folder import writing
    with writing(sys.argv[1], new=True) as writer:
        pass
    """
    with writing(tmp_path / "run", new=True) as writer:
        writer.text("a", "x", "txt")
        assert "RunError" in python(code, tmp_path / "run").stderr
    assert Run.open(tmp_path / "run").text("a") == "x"


def test_readers_are_not_held_up_by_a_writer(run):
    with writing(run, new=False) as writer:
        writer.text("a", "new", "txt")
        assert version(run) == "old"


FULL = """
import resource, sys
import numpy as np
import pyarrow as pa
from recembed.errors import RunError
from recembed.run.folder import writing
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).random(100_000)
for write in (
    lambda writer: writer.arrays("a", {"x": noise}),
    lambda writer: writer.table("a", pa.table({"x": noise})),
    lambda writer: writer.json("a", noise.tolist()),
    lambda writer: writer.text("a", "x" * 1_000_000, "txt"),
):
    try:
        with writing(sys.argv[1], new=False) as writer:
            write(writer)
    except RunError as error:
        assert "\\n" not in str(error)
        print(error)
"""


def test_a_full_disk_is_one_line_and_the_old_run_stays(run):
    pytest.importorskip("resource")
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    ended = python(FULL, run)
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 4
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before
