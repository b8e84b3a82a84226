"""The user towers in torch: vectors of users from packed histories."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.training.attention import Blocks, Layer, dropped
from recembed.training.towers.buckets import GAPS, Histories
from recembed.training.towers.settings import SIZE, Attention, Mean, Tower, Transformer


@dataclass(frozen=True, eq=False)
class Packed:
    """Histories one after the other, without padding, and blocks of them for attention.

    owner, age, gap int64 [events] and weight float32 [events]: see Histories.
    """

    owner: Tensor
    age: Tensor
    gap: Tensor | None
    weight: Tensor | None
    blocks: Blocks

    @classmethod
    def of(cls, histories: Histories, device: torch.device) -> "Packed":
        """On the device. No history is empty: Examples have none such."""

        def there(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else torch.from_numpy(array).to(device)

        sequences = histories.events.events
        assert sequences.sizes.all()
        arrays = (sequences.owners().astype(np.int64), histories.age)
        owner, age = (torch.from_numpy(each).to(device) for each in arrays)
        gap, weight = there(histories.gap), there(histories.weight)
        return cls(owner, age, gap, weight, Blocks.of(sequences.offsets, device))


class MeanTower(nn.Module):
    """A linear map of the weighted mean of a history's items."""

    def __init__(self, setting: Mean, dim: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(dim))

    def forward(self, items: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim]. items [events, dim]; weights of a history sum to 1."""
        assert packed.weight is not None
        mean = items.new_zeros(len(packed.blocks.last), items.shape[1])
        mean = mean.index_add(0, packed.owner, items * packed.weight[:, None])  # [n, dim]
        return mean @ self.map


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

    def forward(self, items: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim]. items [events, dim]."""
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

    def forward(self, items: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim], or at every event, [events, dim]. items [events, dim]."""
        x = items + F.embedding(packed.age, self.position)
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
