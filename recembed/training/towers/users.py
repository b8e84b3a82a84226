"""The user towers in torch: vectors of users from blocks of histories."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.training.towers.buckets import GAPS, Bucket
from recembed.training.towers.settings import Attention, Mean, Tower, Transformer

SIZE = 0.02  # of numbers at the start where layers have norms: steps of 0.001 soon matter


@dataclass(frozen=True, eq=False)
class Block:
    """A bucket as tensors: see Bucket. last int64 [n]: where each history's newest event is."""

    there: Tensor
    last: Tensor
    age: Tensor
    gap: Tensor | None
    weight: Tensor | None

    @classmethod
    def of(cls, bucket: Bucket, device: torch.device) -> "Block":
        """On the device."""

        def there(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else torch.from_numpy(array).to(device)

        arrays = (bucket.there, bucket.lengths - 1, bucket.age)
        real, last, age = (torch.from_numpy(each).to(device) for each in arrays)
        return cls(real, last, age, there(bucket.gap), there(bucket.weight))


def dropped(x: Tensor, share: float) -> Tensor:
    """Numbers left out by chance, the others scaled up; three times as fast as torch's dropout."""
    if share == 0:
        return x
    return x * torch.rand_like(x).ge_(share).div_(1 - share)


class MeanTower(nn.Module):
    """A linear map of the weighted mean of a history's items."""

    def __init__(self, setting: Mean, dim: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(dim))

    def forward(self, items: Tensor, block: Block) -> Tensor:
        """Vectors of users, [n, dim]. items [n, longest, dim]; weights of a history sum to 1."""
        assert block.weight is not None
        mean = torch.bmm(block.weight[:, None], items)[:, 0]  # [n, dim]
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

    def forward(self, items: Tensor, block: Block) -> Tensor:
        """Vectors of users, [n, dim]. items [n, longest, dim]."""
        n, longest, dim = items.shape
        scores = self.score(items) + self.age[block.age]  # [n, longest, heads]
        scores = scores.masked_fill(~block.there[:, :, None], -torch.inf)
        share = torch.softmax(scores, dim=1)
        values = self.value(items).view(n, longest, self.heads, dim // self.heads)
        mean = torch.einsum("nth,nthd->nhd", share, values).reshape(n, dim)
        out: Tensor = self.out(mean)
        return out


class Layer(nn.Module):
    """Causal self-attention and a feed-forward part, each after a norm and beside a shortcut."""

    def __init__(self, setting: Transformer, dim: int) -> None:
        super().__init__()
        self.heads, self.dropout = setting.heads, setting.dropout
        self.before = nn.LayerNorm(dim)
        self.mix = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.between = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, setting.width * dim)
        self.narrow = nn.Linear(setting.width * dim, dim)

    def forward(self, x: Tensor, ask: Tensor | None = None) -> Tensor:
        """[n, longest, dim]; ask int64 [n]: only at this place of each history, [n, 1, dim]."""
        n, longest, dim = x.shape
        mixed = self.mix(self.before(x)).view(n, longest, 3, self.heads, dim // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # [n, heads, longest, dim / heads]
        if ask is None:
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            here = torch.arange(n, device=x.device)
            past = torch.arange(longest, device=x.device) <= ask[:, None]
            seen = F.scaled_dot_product_attention(
                query[here, :, ask][:, :, None], key, value, attn_mask=past[:, None, None]
            )
            x = x[here, ask][:, None]
        seen = seen.transpose(1, 2).reshape(n, -1, dim)
        x = x + self._left(self.out(seen))
        wide = F.gelu(self.wide(self.between(x)))
        return x + self._left(self.narrow(wide))

    def _left(self, x: Tensor) -> Tensor:
        return dropped(x, self.dropout) if self.training else x


class TransformerTower(nn.Module):
    """A causal transformer; padding stands last, where nothing before it can see it."""

    def __init__(self, setting: Transformer, dim: int, reach: int, *, every: bool) -> None:
        super().__init__()
        self.every, self.dropout = every, setting.dropout
        self.position = nn.Parameter(torch.randn(reach, dim) * SIZE)
        self.gap = nn.Parameter(torch.randn(GAPS, dim) * SIZE) if setting.gaps else None
        self.layers = nn.ModuleList(Layer(setting, dim) for _ in range(setting.blocks))
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=SIZE)
                nn.init.zeros_(module.bias)

    def forward(self, items: Tensor, block: Block) -> Tensor:
        """Vectors of users, [n, dim], or at every event, [events, dim]. items [n, longest, dim]."""
        x = items + F.embedding(block.age, self.position)
        if self.gap is not None:
            assert block.gap is not None
            x = x + F.embedding(block.gap, self.gap)
        if self.training:
            x = dropped(x, self.dropout)
        *layers, end = self.layers
        for layer in layers:
            x = layer(x)
        if self.every:
            out: Tensor = self.norm(end(x)[block.there])
        else:
            out = self.norm(end(x, block.last)[:, 0])
        return out


def user_tower(setting: Tower, dim: int, reach: int, *, every: bool) -> nn.Module:
    """The tower that a setting describes, new."""
    if isinstance(setting, Mean):
        return MeanTower(setting, dim)
    if isinstance(setting, Attention):
        return AttentionTower(setting, dim, reach)
    return TransformerTower(setting, dim, reach, every=every)
