"""The user towers in torch: vectors of users from packed histories."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.training.attention import Blocks, Layer, dropped
from recembed.training.towers.buckets import GAPS, Histories
from recembed.training.towers.items import mapped
from recembed.training.towers.settings import SIZE, Attention, Mean, Tower, Transformer


@dataclass(frozen=True, eq=False)
class Packed:
    """Histories one after the other, without padding, and blocks of them for attention.

    rows int64 [events]: of the table that the items are in. kept float32 [events]: 0 where an event
    is left out by chance, None: all are there. owner, age, gap int64 [events] and weight float32
    [events]: see Histories.
    """

    rows: Tensor
    kept: Tensor | None
    owner: Tensor
    age: Tensor
    gap: Tensor | None
    weight: Tensor | None
    blocks: Blocks

    @classmethod
    def of(
        cls,
        histories: Histories,
        rows: NDArray[np.int64],
        device: torch.device,
        kept: Tensor | None = None,
    ) -> "Packed":
        """On the device. No history is empty: Examples have none such."""

        def there(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else torch.from_numpy(array).to(device)

        sequences = histories.events.events
        assert sequences.sizes.all()
        arrays = (rows, sequences.owners().astype(np.int64), histories.age)
        at, owner, age = (torch.from_numpy(each).to(device) for each in arrays)
        gap, weight = there(histories.gap), there(histories.weight)
        return cls(at, kept, owner, age, gap, weight, Blocks.of(sequences.offsets, device))

    def items(self, table: Tensor) -> Tensor:
        """The item of each event, zeros for those left out, [events, dim]. table [n, dim]."""
        items = F.embedding(self.rows, table)
        return items if self.kept is None else items * self.kept[:, None]


class MeanTower(nn.Module):
    """A linear map of the weighted mean of a history's items."""

    def __init__(self, setting: Mean, dim: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(dim))

    def forward(self, table: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim]. table [n_items, dim]; weights of a history sum to 1."""
        assert packed.weight is not None
        weight = packed.weight if packed.kept is None else packed.weight * packed.kept
        values, owner, rows = (each.cpu().numpy() for each in (weight, packed.owner, packed.rows))
        shape = (len(packed.blocks.last), len(table))
        shares = sp.csr_matrix((values, (owner, rows)), shape)
        # a vector for each event would be far more to move than the users'
        return mapped(shares, table) @ self.map


class AttentionTower(nn.Module):
    """Weights of events by what they are and by their age; a map of the heads' means."""

    def __init__(self, setting: Attention, dim: int, reach: int) -> None:
        super().__init__()
        self.heads = setting.heads
        self.score = nn.Linear(dim, setting.heads, bias=False)
        self.age = nn.Parameter(torch.zeros(reach, setting.heads))
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():
            self.value.weight.copy_(torch.eye(dim))
            self.out.weight.copy_(torch.eye(dim))

    def forward(self, table: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim]. table [n_items, dim]."""
        items = packed.items(table)
        dim = items.shape[1]
        scores = self.score(items) + self.age[packed.age]  # [events, heads]
        values = self.value(items)
        blocks, found = packed.blocks, []
        laid = zip(blocks.blocks, blocks.laid(scores), blocks.laid(values), strict=True)
        for block, score, value in laid:
            share = torch.softmax(score.masked_fill(~block.there[:, :, None], -torch.inf), dim=1)
            heads = value.view(*value.shape[:2], self.heads, dim // self.heads)
            found.append(torch.einsum("nth,nthd->nhd", share, heads).reshape(-1, dim))
        out: Tensor = self.out(torch.cat(found)[blocks.place])
        return out


class TransformerTower(nn.Module):
    """A causal transformer; padding stands last, where nothing before it can see it."""

    def __init__(self, setting: Transformer, dim: int, reach: int, *, every: bool) -> None:
        super().__init__()
        self.every, self.dropout = every, setting.dropout
        self.position = nn.Parameter(torch.randn(reach, dim) * SIZE)
        self.gap = nn.Parameter(torch.randn(GAPS, dim) * SIZE) if setting.gaps else None
        self.layers = nn.ModuleList(
            Layer(dim, heads=setting.heads, width=setting.width, dropout=setting.dropout)
            for _ in range(setting.blocks)
        )
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=SIZE)
                nn.init.zeros_(module.bias)

    def forward(self, table: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim], or at every event, [events, dim]. table [n_items, dim]."""
        x = packed.items(table) + F.embedding(packed.age, self.position)
        if self.gap is not None:
            assert packed.gap is not None
            x = x + F.embedding(packed.gap, self.gap)
        if self.training:
            x = dropped(x, self.dropout)
        *layers, end = self.layers
        for layer in layers:
            x = layer(x, packed.blocks)
        out: Tensor = self.norm(end(x, packed.blocks, newest=not self.every))
        return out


def user_tower(setting: Tower, dim: int, reach: int, *, every: bool) -> nn.Module:
    """The tower that a setting describes, new."""
    if isinstance(setting, Mean):
        return MeanTower(setting, dim)
    if isinstance(setting, Attention):
        return AttentionTower(setting, dim, reach)
    return TransformerTower(setting, dim, reach, every=every)
