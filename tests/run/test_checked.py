"""What is remembered of large files, and what that may never hide."""

import hashlib
import json
import os
import shutil

import pytest

from recembed.errors import RunError
from recembed.run import checked
from recembed.run.folder import Run, writing

LARGE = 1000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where it is remembered; files above 1000 bytes are large, and settled at once."""
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checked, "LARGE", LARGE)
    monkeypatch.setattr(checked, "SETTLED", -1)
    return tmp_path / "cache" / "checked.json"


@pytest.fixture
def read(monkeypatch):
    """Names of files that were hashed."""
    names, real = [], checked.sha256_of

    def noted(path):
        names.append(path.name.split(".")[0])
        return real(path)

    monkeypatch.setattr(checked, "sha256_of", noted)
    return names


@pytest.fixture
def run(tmp_path):
    with writing(tmp_path / "run", new=True) as writer:
        writer.text("large", "x" * (LARGE + 1), "txt")
        writer.text("small", "y" * LARGE, "txt")
    return tmp_path / "run"


def large(run):
    return Run.open(run, verify=False).files["large"]


def test_a_large_file_is_read_once_and_a_small_one_each_time(run, read):
    Run.open(run)
    assert sorted(read) == ["large", "small"]
    read.clear()
    Run.open(run)
    assert read == ["small"]


@pytest.mark.parametrize("how", ["in place", "moved in", "as old as before"])
def test_a_large_file_that_was_changed_is_found_out(run, how):
    Run.open(run)
    path = large(run)
    before = path.stat()
    target = path.with_name("other") if how == "moved in" else path
    target.write_text("z" * (LARGE + 1))
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns if how != "in place" else 10**18))
    target.replace(path)
    with pytest.raises(RunError, match=r"large\..*\.txt was edited"):
        Run.open(run)


def test_a_file_that_was_written_just_now_is_not_remembered(run, read, monkeypatch):
    monkeypatch.setattr(checked, "SETTLED", 10**12)
    for _ in range(2):
        Run.open(run)
    assert sorted(read) == ["large", "large", "small", "small"]


def test_another_copy_of_a_run_is_read_for_itself(run, read, tmp_path):
    Run.open(run)
    read.clear()
    Run.open(shutil.copytree(run, tmp_path / "copy"))
    assert sorted(read) == ["large", "small"]


def test_files_that_are_gone_are_forgotten(run, cache):
    Run.open(run)
    old = large(run)
    with writing(run, new=False) as writer:
        writer.text("large", "w" * (LARGE + 1), "txt")
    Run.open(run)
    assert [*json.loads(cache.read_text())] == [str(large(run))] != [str(old)]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', "\x00", "[" * 100_000])
def test_a_memory_that_cannot_be_read_is_none(run, cache, read, text):
    cache.parent.mkdir()
    cache.write_text(text)
    Run.open(run)
    assert sorted(read) == ["large", "small"]
    assert str(large(run)) in json.loads(cache.read_text())


@pytest.mark.parametrize(
    "held", [None, 1, {}, {"sha256": "0" * 64}, {"size": LARGE + 1, "stamp": 3}]
)
def test_a_memory_of_something_else_is_no_proof(run, cache, held):
    cache.parent.mkdir()
    cache.write_text(json.dumps({str(large(run)): held}))
    Run.open(run)
    sha256 = hashlib.sha256(b"x" * (LARGE + 1)).hexdigest()
    assert json.loads(cache.read_text())[str(large(run))]["sha256"] == sha256


def test_where_nothing_can_be_remembered_runs_open_all_the_same(run, cache, read):
    cache.parent.write_text("a file in the way")
    for _ in range(2):
        Run.open(run)
    assert sorted(read) == ["large", "large", "small", "small"]
