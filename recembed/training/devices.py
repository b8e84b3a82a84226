"""Where torch trains, and that it leaves the process as it found it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recembed.errors import DataError
from recembed.protocols import Machine

READ = {"cpu": 1, "cuda": 32}  # steps from loss to loss that is read: a GPU has to be waited for


def device_of(machine: Machine) -> torch.device:
    """Where to train. Raises: DataError if there is no such device."""
    if machine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if machine.device == "cuda" and not torch.cuda.is_available():
        raise DataError("there is no CUDA device: use device 'cpu' or 'auto'")
    return torch.device(machine.device)


@contextmanager
def alone(machine: Machine, device: torch.device) -> Iterator[None]:
    """Threads and random numbers of torch, given back as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads)
    try:
        with torch.random.fork_rng([] if device.type == "cpu" else [device]):
            yield
    finally:
        torch.set_num_threads(before)


def reseed(device: torch.device, seed: int) -> None:
    """The generator that layers draw from: all devices' at once take long."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.cuda.manual_seed(seed)
