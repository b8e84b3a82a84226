"""What long runs leave behind: one JSON file a training, and the places of its answers beside it.

A file says what was trained (part, system, seed), with which setting, by which commit and versions,
on what machine, in how many seconds. Figures of a benchmark are worked out from these files anew.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np

from benchmarks.harness import BenchError, commit, machine, outdated
from recembed.arrays import Rows

FOLDER = Path(__file__).with_name("skipgram")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.skipgram_quality make"


@dataclass(frozen=True, eq=False)
class Made:
    """What a training came to: places [n_cases] of the hidden items, or a score a word test.

    seconds: of the training alone; None where nobody watched it.
    """

    seconds: float | None
    places: Rows | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def stem(part: str, system: str, seed: int) -> str:
    """The name of a training's files."""
    return f"{part}-{system}-{seed}"


def write(name: str, setting: Mapping[str, Any], made: Made) -> None:
    """Places first, then the JSON that says that they are there."""
    FOLDER.mkdir(exist_ok=True)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    told = {
        "setting": dict(setting),
        "commit": commit(),
        "versions": versions | {"numba": numba.__version__} | dict(made.versions),
        "machine": machine(),
        "seconds": None if made.seconds is None else round(made.seconds, 2),
        "scores": dict(made.scores),
    }
    if made.places is not None:
        np.savez_compressed(FOLDER / f"{name}.npz", places=made.places)
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def read(name: str, setting: Mapping[str, Any]) -> Made:
    """The evidence of one training.

    Raises: BenchError if it is not there, or was made with another setting.
    """
    wrong = lacking(name, setting)
    if wrong:
        raise BenchError(f"{name} {wrong}; {HOW}")
    told = json.loads((FOLDER / f"{name}.json").read_text())
    file = FOLDER / f"{name}.npz"
    places = np.load(file)["places"] if file.exists() else None
    return Made(told["seconds"], places, told["scores"], told["versions"])


def lacking(name: str, setting: Mapping[str, Any]) -> str | None:
    """Why a training has to be done (again); None if its evidence stands."""
    return outdated(FOLDER / f"{name}.json", setting)
