"""Texts one after the other, without padding, as networks read them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from recembed.arrays import Offsets
from recembed.data.sequences import Sequences
from recembed.training.attention import Blocks


@dataclass(frozen=True, eq=False)
class Packed:
    """n texts of t tokens in all; a text may be empty.

    rows int64 [t]: the tokens. owner int64 [t]: the text of each; at int64 [t]: its place in it.
    offsets int64 [n+1], in NumPy: of the texts.
    """

    rows: Tensor
    owner: Tensor
    at: Tensor
    offsets: Offsets

    @classmethod
    def of(cls, texts: Sequences, device: torch.device) -> "Packed":
        """On the device."""
        owners = texts.owners().astype(np.int64)
        places = np.arange(len(owners)) - texts.offsets[owners]
        arrays = (texts.values.astype(np.int64), owners, places)
        rows, owner, at = (torch.from_numpy(each).to(device) for each in arrays)
        return cls(rows, owner, at, texts.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def blocks(self) -> Blocks:
        """Where the texts stand in blocks for attention, all but the empty ones."""
        return Blocks.of(np.unique(self.offsets), self.rows.device)
