"""Training of the two towers by softmax over all items."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from recembed import seed as seeds
from recembed.arrays import Mask, Vectors
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import Machine
from recembed.training.examples import Batch, Examples
from recembed.training.losses import full_softmax
from recembed.training.recency import Recency
from recembed.training.towers import HistoryTower, ItemTower

Tables: TypeAlias = tuple[Vectors, Vectors]

WORST = 10.0  # times the loss of guessing: Adam's steps can blow up vectors that stay finite


@dataclass(frozen=True)
class Towers:
    """What is trained; the meaning of each field stands where users set it (models.two_tower)."""

    dim: int
    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float
    recency: Recency


@dataclass(frozen=True, eq=False)
class Items:
    """known bool [n_items]: trained rows. categories: rows of each item, 0..n_categories-1."""

    known: Mask
    categories: Sequences
    n_categories: int


def train(
    examples: Examples,
    catalogue: Items,
    setting: Towers,
    *,
    seed: int,
    machine: Machine,
    progress: Progress = QUIET,
    after: Callable[[int, Callable[[], Tables]], None] | None = None,
) -> Tables:
    """The table that histories are read through and the table that is retrieved.

    The softmax runs over the known items. Both tables are [n_items, dim + 1]: the last column of
    the first is 1 and of the second is the item's bias, so that a weighted mean of the first times
    the second is the trained score. after: told of each epoch's end, and how to get both by then.

    Raises: DataError if training diverges.
    """
    device = _device(machine)
    rows = np.flatnonzero(catalogue.known)
    compact = np.full(len(catalogue.known), -1, np.int64)
    compact[rows] = np.arange(len(rows))
    start = torch.Generator().manual_seed(int(seeds.rng(seed, "towers").integers(2**62)))
    categories = catalogue.categories.take(rows)
    items = ItemTower(categories, catalogue.n_categories, setting.dim, start).to(device)
    users = HistoryTower(setting.dim).to(device)
    parameters = [*items.parameters(), *users.parameters()]
    optimiser = torch.optim.Adam(parameters, setting.learning_rate, fused=device.type == "cuda")
    noise = torch.Generator(device).manual_seed(int(seeds.rng(seed, "dropout").integers(2**62)))
    total = setting.epochs * len(examples)
    steps = setting.epochs * -(-len(examples) // setting.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / (steps + 1))

    def tables() -> Tables:
        with torch.no_grad():
            made = _export(items, users, rows, len(compact))
        _check_sane(all(np.isfinite(one).all() for one in made), epoch, setting)
        return made

    with _threads(machine.threads), progress.task("two-tower", total, "examples") as task:
        for epoch in range(setting.epochs):
            random = seeds.rng(seed, "examples", epoch)
            for batch in examples.batches(setting.batch_size, random):
                table = items()
                inputs, owner, target = _tensors(batch, setting.recency, compact, device)
                query = users(_drop(table, setting.dropout, noise), *inputs)  # [batch, dim]
                loss = full_softmax(query, table, items.bias, owner, target)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                value = float(loss.detach())
                _check_sane(value < WORST * np.log(len(rows) + 1), epoch, setting)
                note = f"epoch {epoch + 1}/{setting.epochs}, loss {value:.3f}"
                task.advance(batch.histories.n_users, note)
            if after is not None:
                after(epoch + 1, tables)
    return tables()


def _check_sane(sane: bool, epoch: int, setting: Towers) -> None:
    if not sane:
        raise DataError(
            f"training diverged in epoch {epoch + 1} at learning_rate {setting.learning_rate}: "
            "set it lower"
        )


def _export(items: ItemTower, users: HistoryTower, rows: np.ndarray, n_items: int) -> Tables:
    table = items()
    read = np.zeros((n_items, table.shape[1] + 1), np.float32)
    read[rows, :-1] = (table @ users.map).cpu().numpy()
    read[rows, -1] = 1
    found = np.zeros_like(read)
    found[rows, :-1] = table.cpu().numpy()
    found[rows, -1] = items.bias.cpu().numpy()
    return read, found


def _tensors(
    batch: Batch, recency: Recency, compact: np.ndarray, device: torch.device
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
    """Rows, offsets and weights of the histories; owner and row of each target."""
    weights = recency.matrix(batch.histories)
    sums = np.add.reduceat(np.append(abs(weights.data), np.float32(0)), weights.indptr[:-1])
    share = weights.data / np.repeat(np.maximum(sums, 1e-12), np.diff(weights.indptr))
    arrays = (
        compact[weights.indices],
        weights.indptr.astype(np.int64),
        share.astype(np.float32),
        batch.targets.owners().astype(np.int64),
        compact[batch.targets.values],
    )
    rows, offsets, shares, owner, target = (torch.from_numpy(a).to(device) for a in arrays)
    return (rows, offsets, shares), owner, target


def _drop(table: Tensor, share: float, noise: torch.Generator) -> Tensor:
    """The table with whole items left out of histories, the others scaled up."""
    if share == 0:
        return table
    kept = torch.rand(len(table), 1, generator=noise, device=table.device) >= share
    return table * kept / (1 - share)


def _device(machine: Machine) -> torch.device:
    if machine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if machine.device == "cuda" and not torch.cuda.is_available():
        raise DataError("there is no CUDA device: use device 'cpu' or 'auto'")
    return torch.device(machine.device)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
