"""What is hidden of a text, what guesses it, and how a step of learning that is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.arrays import Rows, offsets_of
from recembed.data.sequences import Sequences
from recembed.training.checkpoint import Read
from recembed.training.texts.networks import SIZE, TextNetwork
from recembed.training.texts.packed import Packed
from recembed.training.texts.settings import Masked
from recembed.training.texts.steps import CLIP, optimiser, step_size
from recembed.training.towers.losses import Candidates, Targets, full_softmax
from recembed.training.towers.precision import autocast

HIDDEN, OTHER = 0.8, 0.1  # shares of what is asked that show the mask, and any token


@dataclass(frozen=True, eq=False)
class Guesses:
    """Sequences [n, length] as they are shown, and what is asked: at `places` of all, `wanted`."""

    shown: Rows
    places: NDArray[np.int64]
    wanted: Rows

    @classmethod
    def of(cls, rows: Rows, n_tokens: int, mask: int, share: float, random: Any) -> "Guesses":
        """Of rows int32 [n, length]; `share` of them are asked. mask: the token that hides."""
        asked = max(1, round(share * rows.size))
        places = random.permutation(rows.size)[:asked]
        hidden, other = round(HIDDEN * asked), round(OTHER * asked)
        shown = rows.ravel().copy()
        wanted = shown[places]
        shown[places[:hidden]] = mask
        shown[places[hidden : hidden + other]] = random.integers(0, n_tokens, other)
        return cls(shown.reshape(rows.shape), places, wanted)


class Guesser(nn.Module):
    """A network, and what says which token stands at a place of its own: one near in the table."""

    def __init__(self, network: TextNetwork) -> None:
        super().__init__()
        self.network = network
        self.map = nn.Linear(network.dim, network.dim)
        self.norm = nn.LayerNorm(network.dim)
        self.bias = nn.Parameter(torch.zeros(len(network.table)))
        nn.init.normal_(self.map.weight, std=SIZE)

    def forward(self, guesses: Guesses) -> Tensor:
        """The mean cross-entropy of what is asked."""
        n, length = guesses.shown.shape
        shown = Sequences(guesses.shown.ravel(), offsets_of(np.full(n, length)))
        device = self.network.device
        places = torch.from_numpy(guesses.places).to(device)
        wanted = torch.from_numpy(guesses.wanted.astype(np.int64)).to(device)
        found = self.network.tokens(Packed.of(shown, device))[places]  # [asked, dim]
        query = self.norm(F.gelu(self.map(found)))
        own = (query * F.embedding(wanted, self.network.table)).sum(dim=1) + self.bias[wanted]
        targets = Targets(torch.arange(len(wanted), device=device), wanted, own)
        return full_softmax(query, Candidates(self.network.table, self.bias), targets)


class State:
    """A guesser and its optimiser after some steps. whole: no step is under way."""

    def __init__(self, guesser: Guesser, setting: Masked) -> None:
        self.guesser, self.setting = guesser, setting
        self.named = dict(guesser.named_parameters())
        self.optimiser = optimiser(self.named, setting)
        self.steps, self.whole = 0, True

    def step(self, guesses: Guesses, total: int) -> Tensor:
        """One step of `total`; the loss before it."""
        self.whole = False
        self.optimiser.zero_grad(set_to_none=True)
        for group in self.optimiser.param_groups:
            group["lr"] = step_size(self.setting, self.steps, total)
        self.guesser.train()
        with autocast(self.guesser.network.device):
            loss: Tensor = self.guesser(guesses)
        loss.backward()
        nn.utils.clip_grad_norm_(self.named.values(), CLIP)
        self.optimiser.step()
        self.steps += 1
        self.whole = True
        return loss.detach()

    def finite(self) -> bool:
        """Whether all weights are."""
        return all(bool(each.isfinite().all()) for each in self.named.values())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that training needs to go on, by name; on the CPU these are views."""
        found = {f"weights.{name}": each.data for name, each in self.named.items()}
        names = {id(each): name for name, each in self.named.items()}
        for parameter, kept in self.optimiser.state.items():
            for part, value in kept.items():
                found[f"optimiser.{names[id(parameter)]}.{part}"] = value
        return {name: each.cpu().numpy() for name, each in found.items()}

    def facts(self) -> dict[str, Any]:
        return {"steps": self.steps, "names": sorted(self.arrays())}

    def restore(self, facts: Mapping[str, Any], read: Read) -> None:
        for name in facts["names"]:
            kind, _, rest = name.partition(".")
            value = torch.from_numpy(read(name))
            if kind == "weights":
                self.named[rest].data.copy_(value)
                continue
            owner, _, part = rest.rpartition(".")
            parameter = self.named[owner]
            self.optimiser.state[parameter][part] = value.to(parameter.device)
        self.steps = facts["steps"]
