"""Bytes of a run that are no longer what was written: told, or harmless, and never a crash."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors

from recembed.errors import RunError
from recembed.recommender import Recommender

SEED, FEW, MANY = 7, 120, 10_000


class Asking:
    """The process that asks; a new one where the last one died."""

    def __init__(self):
        self.process = None

    def ask(self, run):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("asking.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.process.stdin.write(f"{run}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        said = self.process.communicate()[1]
        pytest.fail(f"asking ended with {self.process.returncode}: {said}")

    def close(self):
        if self.process is not None:
            self.process.communicate()


@pytest.fixture(scope="module")
def asking():
    asking = Asking()
    yield asking
    asking.close()


def flipped(content, rng, _):
    at = rng.integers(len(content), size=rng.integers(1, 9))
    changed = np.frombuffer(content, np.uint8).copy()
    changed[at] ^= rng.integers(1, 256, len(at)).astype(np.uint8)
    return changed.tobytes()


def cut(content, rng, _):
    start, stop = sorted(rng.integers(len(content) + 1, size=2).tolist())
    return rng.choice([content[:stop], content[start:], content[:start] + content[stop:]]).item()


def spliced(content, rng, other):
    """Some bytes of another file in it: in place of its own, or between them."""
    start, stop = sorted(rng.integers(len(other) + 1, size=2).tolist())
    at = int(rng.integers(len(content) + 1))
    after = at + (stop - start if rng.random() < 0.5 else 0)
    return content[:at] + other[start:stop] + content[after:]


def zeroed(content, rng, _):
    """A block that never reached the disk."""
    start = int(rng.integers(len(content)))
    stop = min(len(content), start + int(rng.integers(1, 4097)))
    return content[:start] + bytes(stop - start) + content[stop:]


def mutate(run, rng):
    """Change a file of a run, or two, and say how."""
    files = sorted(path for path in run.iterdir() if path.name != ".lock")
    first, second = (files[at] for at in rng.choice(len(files), 2, replace=False))
    one, two = first.read_bytes(), second.read_bytes()
    how = ("flip", "cut", "splice", "zero", "swap")[int(rng.integers(5))]
    if how == "swap":
        put(second, one)
        put(first, two)
        return f"{how} {first.name} and {second.name}"
    change = {"flip": flipped, "cut": cut, "splice": spliced, "zero": zeroed}[how]
    put(first, change(one, rng, two))
    return f"{how} {first.name}"


def put(path, content):
    """In a file of its own: the others of the copy are links to the same ones."""
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    "n", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_mutated_run_is_refused_in_one_line_or_answers_as_before(full_run, asking, tmp_path, n):
    expected = asking.ask(full_run)
    assert "answer" in expected["asked"]
    rng, refused = np.random.default_rng([SEED, n]), 0
    for i in range(n):
        copy = Path(shutil.copytree(full_run, tmp_path / "copy", copy_function=os.link))
        how = mutate(copy, rng)
        same = all(
            (copy / path.name).read_bytes() == path.read_bytes() for path in full_run.iterdir()
        )
        found = asking.ask(copy)
        for name, outcome in found.items():
            if "error" in outcome:
                assert "\n" not in outcome["error"], (i, how)
                assert outcome["error"], (i, how)
            else:
                assert outcome == expected[name], (i, how)
        if not same and "manifest" not in how:
            assert "error" in found["opened"], (i, how)
        refused += "error" in found["asked"]
        shutil.rmtree(copy)
    assert n / 3 < refused < n  # reports are not asked, all else is


def test_nothing_native_reads_a_file_that_was_changed(full_run, tmp_path, monkeypatch):
    read = []

    def noted(real):
        def call(path, *arguments, **options):
            read.append(Path(path).name.split(".")[0])
            return real(path, *arguments, **options)

        return call

    monkeypatch.setattr("recembed.run.folder.pq.ParquetFile", noted(pq.ParquetFile))
    monkeypatch.setattr("recembed.run.folder.safe_open", noted(safetensors.safe_open))
    Recommender.load(full_run, index="exact")
    assert set(read) == {"events", "users", "items", "model"}
    for name in ("events", "users", "items", "model"):
        copy = Path(shutil.copytree(full_run, tmp_path / name))
        (path,) = copy.glob(f"{name}.*")
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        read.clear()
        with pytest.raises(RunError, match=f"{path.name} was edited"):
            Recommender.load(copy, index="exact")
        assert name not in read
