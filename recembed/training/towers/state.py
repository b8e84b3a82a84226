"""What changes while towers are trained: weights, optimisers, an average, the best round."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recembed.training.average import Average
from recembed.training.checkpoint import Read
from recembed.training.examples import Batch
from recembed.training.rounds import Rounds
from recembed.training.towers.model import Towers, Trained
from recembed.training.towers.precision import autocast

BETAS = (0.9, 0.98)  # the second as published transformers have it: sparse rows forget sooner
WARM = 100  # steps in which the step size rises to what was set
# fields of Trained that are an array, or None
ALONE = ("table", "known", "bias", "users", "sparse", "dense", "shares")


class State:
    """Towers, their optimisers and the average of their weights after some steps.

    positions: that were trained on. whole: no step is under way.
    """

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
        self.average = Average(self.named, self.setting.average)
        self.steps, self.positions, self.whole = 0, 0, True

    def step(self, batch: Batch, random: np.random.Generator, left: float) -> Tensor:
        """One step; the loss before it. left: share of all steps that are still to be done."""
        self.whole = False
        rate = self.setting.learning_rate * min(1.0, (self.steps + 1) / WARM)
        if self.setting.schedule == "linear":
            rate *= left
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        self.towers.train()
        with autocast(self.towers.device):
            loss: Tensor = self.towers(batch, random)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        self.steps += 1
        self.positions += len(batch.targets)
        self.average.look(self.steps)
        self.whole = True
        return loss.detach()

    def export(self) -> Trained:
        """The averaged towers, where there is an average, in NumPy."""
        with self.average.instead(self.steps):
            made: Trained = self.towers.export()
            return made

    def finite(self) -> bool:
        """Whether all numbers that training goes on from are."""
        return all(bool(each.isfinite().all()) for each in self._tensors().values())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that training needs to go on, by name; on the CPU these are views."""
        return {name: each.detach().cpu().numpy() for name, each in self._tensors().items()}

    def restore(self, names: list[str], read: Read) -> None:
        """Be what had these arrays."""
        for name, each in self.named.items():
            each.data.copy_(torch.from_numpy(read(f"weights.{name}")))
            self.average.kept[name].copy_(torch.from_numpy(read(f"average.{name}")))
        for name in names:
            kind, _, rest = name.partition(".")
            if kind == "optimiser":
                owner, _, part = rest.rpartition(".")
                self._restore(self.named[owner], part, torch.from_numpy(read(name)))

    def _restore(self, owner: Tensor, part: str, value: Tensor) -> None:
        """A part of what an optimiser knows of a parameter."""
        for optimiser in self.optimisers:
            if any(owner is each for group in optimiser.param_groups for each in group["params"]):
                counted = not value.is_floating_point()  # SparseAdam counts steps in Python
                kept = int(value) if counted else value.to(owner.device)
                optimiser.state[owner][part] = kept

    def _tensors(self) -> dict[str, Tensor]:
        found = {f"weights.{name}": each.data for name, each in self.named.items()}
        found |= {f"average.{name}": each for name, each in self.average.kept.items()}
        names = {id(each): name for name, each in self.named.items()}
        for optimiser in self.optimisers:
            for parameter, kept in optimiser.state.items():
                for part, value in kept.items():
                    name = f"optimiser.{names[id(parameter)]}.{part}"
                    found[name] = torch.as_tensor(value)
        return found


@dataclass(frozen=True, eq=False)
class Kept:
    """What a checkpoint keeps: the state, and the best round so far."""

    state: State
    rounds: Rounds[Trained]

    def arrays(self) -> dict[str, NDArray[Any]]:
        best = self.rounds.best
        if best is None:
            return self.state.arrays()
        found: dict[str, NDArray[Any]] = {
            f"best.tower.{at}": each for at, each in best.tower.items()
        }
        for name in ALONE:
            if getattr(best, name) is not None:
                found[f"best.{name}"] = getattr(best, name)
        return found | self.state.arrays()

    def facts(self) -> dict[str, Any]:
        return {
            "steps": self.state.steps,
            "positions": self.state.positions,
            "looks": self.rounds.looks,
            "names": sorted(self.arrays()),
        }

    def restore(self, facts: Mapping[str, Any], read: Read) -> None:
        names = facts["names"]
        self.state.restore(names, read)
        self.state.steps, self.state.positions = facts["steps"], facts["positions"]
        self.rounds.looks = [(int(done), float(value)) for done, value in facts["looks"]]
        best = {
            name.removeprefix("best."): read(name) for name in names if name.startswith("best.")
        }
        if best:
            rest = {name: best.pop(name, None) for name in ALONE}
            tower = {name.removeprefix("tower."): each for name, each in best.items()}
            self.rounds.best = Trained(tower=tower, **rest)  # type: ignore[arg-type]
