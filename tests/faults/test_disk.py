"""A disk that fills up in the middle, and two who write at once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import recembed
from recembed.errors import RunError
from recembed.run.folder import Run, writing

ROOM = 1 << 20  # bytes of the disk
PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place]
    if (
        not shutil.which("mount")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("no disk can be mounted here: that takes root's rights")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, room):
    """Leave so many bytes free."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, free - room)))


def verbs(log, run, new):
    """What writes a run."""
    quick = {"model": "popularity", "quiet": True}
    return {
        "train over it": lambda: recembed.train(log, run, **quick),
        "train beside it": lambda: recembed.train(log, new, **quick),
        "index": lambda: recembed.index(run, kind="annoy", seed=1, quiet=True),
        "index with faiss": lambda: recembed.index(run, kind="hnsw", quiet=True),
        "evaluate": lambda: recembed.evaluate(run, seed=1, html=False, quiet=True),
        "forget": lambda: recembed.forget(run, user=["u001"]),
    }


def refusal(work):
    """Why the run refused, None where it did not."""
    try:
        work()
    except RunError as error:
        return str(error)
    return None


@pytest.mark.parametrize("verb", verbs(None, None, None))
def test_a_disk_that_is_full_at_any_moment_leaves_the_old_run(shop, full_run, disk, contents, verb):
    run = Path(shutil.copytree(full_run, disk / "run"))
    work, before, done = verbs(shop.log, run, disk / "new")[verb], contents(run), []
    for room in range(0, ROOM, 4 * PAGE):
        fill(disk, room)
        why = refusal(work)
        done.append(why is None)
        if why is None:
            break
        assert re.fullmatch(
            f"the run {disk}/.* cannot be written: .*No space left on device.*", why
        )
        assert contents(run) == before
        assert {path.name for path in disk.iterdir()} == {"run", "filler"}
    assert len(done) > 1
    assert done[-1]
    for each in {run, disk / "new"} if verb == "train beside it" else {run}:
        Run.open(each)
        assert recembed.recommend(each, user=["u002"])[0].reason in ("model", "popular")


def test_a_run_that_is_written_to_takes_no_second_writer(shop, copied, contents, refused):
    run = copied("als")
    train = ("train", shop.log, "--model", "popularity", "--quiet", "--out", run)
    index, evaluate = ("index", run, "--quiet"), ("evaluate", run, "--quiet", "--no-html")
    with writing(run, new=False) as writer:
        before = contents(run)
        for command in (train, index, evaluate, ("forget", run, "--user", "u001")):
            assert f"another process is writing to {run}" in refused(*command)
        assert contents(run) == before
        writer.facts({"first": True})
    assert Run.open(run).facts["first"]
