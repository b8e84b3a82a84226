"""How AdamW steps while a network of texts is trained."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

CLIP = 1.0  # longest gradient, as BERT has it: one odd batch does not undo what was learned before


class Stepping(Protocol):
    """The part of a setting that this is about."""

    @property
    def learning_rate(self) -> float: ...

    @property
    def warmup(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...


def optimiser(named: Mapping[str, Tensor], setting: Stepping) -> torch.optim.Optimizer:
    """AdamW; only matrices decay: a bias or the scale of a norm does not grow too long."""
    matrices = [each for each in named.values() if each.ndim > 1]
    others = [each for each in named.values() if each.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": setting.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, setting.learning_rate, fused=True)


def step_size(setting: Stepping, steps: int, total: int) -> float:
    """After so many steps of `total`: up to learning_rate, then down to 0, both on a line."""
    warm = setting.warmup * total
    up, down = (steps + 1) / max(warm, 1), (total - steps) / max(total - warm, 1)
    return setting.learning_rate * min(up, down, 1.0)
