"""The command line in this very process, a small log with planted clusters, and runs of it."""

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a first call may import or compile
settings.load_profile("patient")

CLUSTERS, SIZE, USERS = 4, 15, 120
START = 1_600_000_000  # a day after the other: every event has its own time
# Small, so that all is fitted in seconds; dim 8 and 3 negatives share one compiled kernel.
SMALL = {
    "item2vec": {"dim": 8, "negatives": 3, "epochs": 15, "learning_rate": 0.05},
    "two-tower": {
        "dim": 8,
        "epochs": 4,
        "batch_size": 64,
        "learning_rate": 0.02,
        "features.categories": "colour",
    },
    "als": {"dim": 8, "iterations": 5},
    "item-knn": {"neighbours": 20},
}


@dataclass(frozen=True)
class Said:
    """What a command ended with and wrote."""

    code: int
    out: str
    err: str

    @property
    def answers(self):
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


def spoken(*arguments):
    """Run the command line as the installed script does."""
    from recembed.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["recembed", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return Said(0 if code is None else code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def call():
    """A command that works: its Said."""

    def run(*arguments):
        said = spoken(*arguments)
        assert said.code == 0, said
        return said

    return run


@pytest.fixture(scope="session")
def refused():
    """A command that is refused: the one line it says, after checking that it is one."""

    def run(*arguments):
        said = spoken(*arguments)
        assert said.code == 1, said
        assert said.out == ""
        assert said.err.startswith("recembed: "), said.err
        assert said.err.count("\n") == 1, said.err
        return said.err.rstrip("\n")

    return run


@pytest.fixture(scope="session")
def misused():
    """A command that is used wrongly: exit 2, and what it says."""

    def run(*arguments):
        said = spoken(*arguments)
        assert (said.code, said.out) == (2, "")
        return said.err

    return run


def planted_events():
    """(user, item, time, basket): five of six events are of the user's own cluster."""
    rng = np.random.default_rng(1)
    events = []
    for user in range(USERS):
        for at in range(int(rng.integers(6, 14))):
            cluster = user % CLUSTERS if rng.random() < 5 / 6 else int(rng.integers(CLUSTERS))
            item = cluster * SIZE + min(int(rng.geometric(0.15)), SIZE) - 1
            time = START + at * 86_400 + user
            events.append((f"u{user:03}", f"{item:03}", time, f"u{user:03}-{at // 3}"))
    return events


@dataclass(frozen=True)
class Shop:
    """A log with text ids such as "007", and the table of its items (two have no event)."""

    log: Path
    items: Path
    events: list

    @property
    def sizes(self):
        users = [event[0] for event in self.events]
        return {user: users.count(user) for user in sorted(set(users))}


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    folder, events = tmp_path_factory.mktemp("shop"), planted_events()
    lines = [",".join(map(str, event)) for event in events]
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,timestamp,basket", *lines, ""]))
    things = [f"{i:03},Thing {i},colour {i // SIZE}" for i in range(CLUSTERS * SIZE + 2)]
    (folder / "things.csv").write_text("\n".join(["item_id,title,colour", *things, ""]))
    return Shop(folder / "log.csv", folder / "things.csv", events)


@pytest.fixture(scope="session")
def made(shop, call, tmp_path_factory):
    """Model -> its run of the shop, trained through the command line; never change one."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}

    def run(model):
        if model not in runs:
            given = [
                x
                for name, value in SMALL.get(model, {}).items()
                for x in ("--set", f"{name}={value}")
            ]
            command = ("train", shop.log, "--items", shop.items, "--model", model, *given)
            call(*command, "--test", "last:1", "--out", folder / model, "--threads", 1, "--quiet")
            runs[model] = folder / model
        return runs[model]

    return run


@pytest.fixture
def copied(made, tmp_path):
    """Model -> a copy of its run that a test may change."""

    def copy(model):
        return Path(shutil.copytree(made(model), tmp_path / f"copy of {model}"))

    return copy


@pytest.fixture(scope="session")
def contents():
    """Folder -> what is in every file of it; to see that nothing changed."""

    def read(folder):
        there = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in there}

    return read
