"""What trainings leave behind: where each hidden item stands, and a JSON file that says how.

NAME.npz: sizes uint8 or wider [n_cases], targets of each case; above, tied [n_targets]; steps bool
[n_cases], whether a case is of another person than the one before it.
"""

import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.accuracy_data import DATA, DEPTH, Asked
from benchmarks.accuracy_settings import Row
from benchmarks.evaluation_baselines import THREADS
from benchmarks.harness import BenchError, commit, machine, outdated, say
from recembed.arrays import PerCase, offsets_of
from recembed.metrics.places import Places
from recembed.models.registry import estimator
from recembed.progress import Progress
from recembed.protocols import Fitted, Machine, Validate

FOLDER = Path(__file__).with_name("accuracy")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.accuracy_make make"


@dataclass(frozen=True, eq=False)
class Made:
    """What one training came to.

    clusters int [n_cases]: whose each case is. seconds: of the training alone. device: "cpu", or
    what the GPU is called. setting: what was trained, None where nobody asks.
    """

    places: Places
    clusters: NDArray[np.int64]
    seconds: float
    device: str = "cpu"
    setting: dict[str, Any] | None = None


@dataclass(frozen=True)
class Spent:
    """What a training took. cpu: of all threads; far below it where the process had to wait."""

    seconds: float
    cpu: float


def fit(
    row: Row, seed: int, asked: Asked, validate: Validate | None = None
) -> tuple[Fitted, Spent]:
    """Train on what the cases allow."""
    log, here = asked.log, machine_of(row.model, asked.machine)
    with threadpool_limits(here.threads):
        begin, work = time.perf_counter(), time.process_time()
        model = estimator(row.model, row.values).fit(
            log, validate=validate, seed=seed, machine=here, progress=Progress("lines")
        )
        return model, Spent(time.perf_counter() - begin, time.process_time() - work)


def machine_of(model: str, here: Machine) -> Machine:
    """Fewer threads for models of which no two trainings are alike with more."""
    threads = min(here.threads, THREADS.get(model, here.threads))
    return Machine(threads=threads, device=here.device)


def write(name: str, asked: Asked, places: Places, row: Row, spent: Spent) -> None:
    """Places first, then the JSON that says that they are there."""
    told = {
        "model": row.model,
        "setting": row.setting,
        "commit": commit(),
        "machine": machine(),
        "device": device_name(asked.machine),
        "threads": machine_of(row.model, asked.machine).threads,
        "seconds": round(spent.seconds, 2),
        "cpu_seconds": round(spent.cpu, 2),
    }
    FOLDER.mkdir(exist_ok=True)
    sizes, clusters = np.diff(places.offsets), asked.clusters()
    np.savez_compressed(
        FOLDER / f"{name}.npz",
        sizes=sizes.astype(np.min_scalar_type(sizes.max())),
        above=places.above,
        tied=places.tied,
        steps=np.diff(clusters, prepend=0) != 0,
    )
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
    found = {
        name: round(float(each.mean()), 4) for name, each in asked.data.metrics(places).items()
    }
    say(f"{name}: {found}, {spent.seconds:.1f} s")


def device_name(here: Machine) -> str:
    """What trains."""
    if here.device == "cpu":
        return "cpu"
    import torch

    from recembed.training.devices import device_of

    device = device_of(here)
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def stem(row: Row, seed: int) -> str:
    """The name of a training's files."""
    return f"{row.data}-{row.label}-{seed}"


def lacking(row: Row, seed: int) -> str | None:
    """Why a training has to be done (again); None if its evidence stands."""
    file = FOLDER / f"{stem(row, seed)}.json"
    model = json.loads(file.read_text())["model"] if file.exists() else row.model
    if model != row.model:
        return f"was trained with model {model}, it is {row.model} now"
    return outdated(file, row.setting, row.usual)


def read(row: Row) -> list[Made]:
    """The evidence of every seed. Raises: BenchError if it is not there, or not of this setting."""
    for seed in row.seeds:
        wrong = lacking(row, seed)
        if wrong:
            name = stem(row, seed)
            raise BenchError(f"{name} {wrong}; {HOW} '{row.data}-{row.label}-*'")
    return [_read(stem(row, seed)) for seed in row.seeds]


def _read(name: str) -> Made:
    told = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as file:
        offsets = offsets_of(file["sizes"].astype(np.int64))
        places = Places(offsets, file["above"], file["tied"], DEPTH)
        clusters = np.cumsum(file["steps"])
    return Made(places, clusters, told["seconds"], told["device"], told["setting"])


@dataclass(frozen=True, eq=False)
class Outcome:
    """A row of the table: a model on one data set, all seeds."""

    data: str
    label: str
    made: list[Made]

    @cached_property
    def values(self) -> dict[str, PerCase]:
        """Each metric of each case, its mean over the seeds."""
        found = [DATA[self.data].metrics(each.places) for each in self.made]
        return {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}

    @property
    def seconds(self) -> float:
        """The middle one of the seeds' trainings: the first may have compiled its kernels."""
        return float(np.median([each.seconds for each in self.made]))

    @property
    def on_gpu(self) -> bool:
        """Whether a seed was trained on one."""
        return any(each.device != "cpu" for each in self.made)
