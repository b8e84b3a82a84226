"""What changes while towers are trained: weights, optimisers, the moving average; kept in a file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recembed.errors import DataError
from recembed.run.whole import whole
from recembed.training.examples import Batch
from recembed.training.towers.model import Towers, Trained

BETAS = (0.9, 0.98)  # the second as published transformers have it: sparse rows forget sooner
WARM = 100  # steps in which the step size rises to what was set
EVERY = 10  # steps between two looks of the moving average, so that it costs next to nothing


class State:
    """Towers, their optimisers and the average of their weights after some steps."""

    def __init__(self, towers: Towers) -> None:
        self.towers, self.setting = towers, towers.setting
        self.named = dict(towers.named_parameters())
        sparse = [name for name in self.named if towers.touched and name == "items.ids"]
        dense = [each for name, each in self.named.items() if name not in sparse]
        rate = self.setting.learning_rate
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(dense, rate, betas=BETAS, fused=True)
        ]
        if sparse:
            rows = [self.named[name] for name in sparse]
            self.optimisers.append(torch.optim.SparseAdam(rows, rate, betas=BETAS))
        self.average = {name: each.detach().clone() for name, each in self.named.items()}
        self.steps = 0

    def step(self, batch: Batch, random: np.random.Generator, left: float) -> float:
        """One step; the loss before it. left: share of all steps that are still to be done."""
        rate = self.setting.learning_rate * min(1.0, (self.steps + 1) / WARM)
        if self.setting.schedule == "linear":
            rate *= left
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        self.towers.train()
        loss = self.towers(batch, random)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        self.steps += 1
        if self.setting.average and self.steps % EVERY == 0:
            self._look()
        return float(loss.detach())

    def export(self) -> Trained:
        """The averaged towers, where there is an average, in NumPy."""
        with self._averaged():
            return self.towers.export()

    def _look(self) -> None:
        """Move the average towards the weights; while it is young, by an equal share."""
        looks = self.steps // EVERY
        kept = min(self.setting.average**EVERY, looks / (10 + looks))
        now = [each.data for each in self.named.values()]
        torch._foreach_lerp_(list(self.average.values()), now, 1 - kept)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The average in the weights' place."""
        if not self.setting.average or self.steps < EVERY:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, each in self.named.items():
            each.data, self.average[name] = self.average[name], each.data

    def tensors(self) -> dict[str, Tensor]:
        """All that training needs to go on, by name."""
        found = {f"weights.{name}": each.data for name, each in self.named.items()}
        found |= {f"average.{name}": each for name, each in self.average.items()}
        names = {id(each): name for name, each in self.named.items()}
        for optimiser in self.optimisers:
            for parameter, kept in optimiser.state.items():
                for part, value in kept.items():
                    value = torch.as_tensor(value)
                    found[f"optimiser.{names[id(parameter)]}.{part}"] = value
        return found
