"""Training of the two towers, epoch by epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from recembed import seed as seeds
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import Machine
from recembed.training.examples import Examples
from recembed.training.towers.model import Data, Towers, Trained
from recembed.training.towers.settings import Setting
from recembed.training.towers.state import State

WORST = 10.0  # times the loss of guessing: Adam's steps can blow up vectors that stay finite


def train(
    examples: Examples,
    data: Data,
    setting: Setting,
    *,
    seed: int,
    machine: Machine,
    progress: Progress = QUIET,
    after: Callable[[int, Callable[[], Trained]], None] | None = None,
) -> Trained:
    """The trained towers.

    after: told of each epoch's end, and how to get the towers by then.

    Raises: DataError if training diverges.
    """
    device = device_of(machine)
    steps = setting.epochs * -(-len(examples) // setting.batch_size)
    total = setting.epochs * examples.positions
    with _alone(machine, device), progress.task("two-tower", total, "positions") as task:
        torch.manual_seed(_draw(seed, "towers"))
        state = State(Towers(data, setting).to(device))
        guess = setting.guess(len(state.towers.rows))
        for epoch in range(setting.epochs):
            torch.manual_seed(_draw(seed, "dropout", epoch))
            random = seeds.rng(seed, "examples", epoch)
            order = random.permutation(len(examples))
            for start in range(0, len(order), setting.batch_size):
                batch = examples.batch(order[start : start + setting.batch_size], random)
                value = state.step(batch, random, 1 - state.steps / (steps + 1))
                _check_sane(value < WORST * guess, epoch, setting)
                note = f"epoch {epoch + 1}/{setting.epochs}, loss {value:.3f}"
                queries = len(batch.targets) if batch.every else batch.histories.n_users
                task.advance(queries, note)
            if after is not None:
                after(epoch + 1, state.export)
    return state.export()


def _check_sane(sane: bool, epoch: int, setting: Setting) -> None:
    if not sane:
        raise DataError(
            f"training diverged in epoch {epoch + 1} at learning_rate {setting.learning_rate}: "
            "set it lower"
        )


def _draw(seed: int, *names: str | int) -> int:
    return int(seeds.rng(seed, *names).integers(2**62))


def device_of(machine: Machine) -> torch.device:
    """Where to train. Raises: DataError if there is no such device."""
    if machine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if machine.device == "cuda" and not torch.cuda.is_available():
        raise DataError("there is no CUDA device: use device 'cpu' or 'auto'")
    return torch.device(machine.device)


@contextmanager
def _alone(machine: Machine, device: torch.device) -> Iterator[None]:
    """Threads and random numbers of torch, given back as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads)
    try:
        with torch.random.fork_rng([] if device.type == "cpu" else [device]):
            yield
    finally:
        torch.set_num_threads(before)
