"""A moving average of the weights of a torch model, and how it takes their place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

EVERY = 10  # steps between two looks of the moving average, so that it costs next to nothing


class Average:
    """kept: by the names of the parameters. keep: what stays of it in a step; 0: there is none."""

    def __init__(self, named: Mapping[str, Tensor], keep: float) -> None:
        self.named, self.keep = named, keep
        self.kept = {name: each.detach().clone() for name, each in named.items()}

    def look(self, steps: int) -> None:
        """Move towards the weights after so many steps; while it is young, by an equal share."""
        if not self.keep or steps % EVERY:
            return
        looks = steps // EVERY
        kept = min(self.keep**EVERY, looks / (10 + looks))
        now = [each.data for each in self.named.values()]
        torch._foreach_lerp_(list(self.kept.values()), now, 1 - kept)

    @contextmanager
    def instead(self, steps: int) -> Iterator[None]:
        """In the weights' place after so many steps, if it has looked at any."""
        if not self.keep or steps < EVERY:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, each in self.named.items():
            each.data, self.kept[name] = self.kept[name], each.data
