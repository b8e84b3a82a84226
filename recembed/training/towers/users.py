"""The user towers in torch: vectors of users from packed histories."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.training.towers.buckets import GAPS, Histories
from recembed.training.towers.settings import SIZE, Attention, Mean, Tower, Transformer

MOST = 1 << 16  # events of a block: few are that long, and one block's scratch space stays small


@dataclass(frozen=True, eq=False)
class Block:
    """A bucket as tensors. there bool [m, longest]: where it is no padding."""

    at: Tensor
    there: Tensor
    which: Tensor


@dataclass(frozen=True, eq=False)
class Packed:
    """Histories one after the other, without padding, and blocks of them for attention.

    owner, age, gap int64 [events] and weight float32 [events]: see Histories. last int64 [n]: the
    newest event of each history. seat int64 [events], place int64 [n]: where each event, and each
    history, stands in the blocks laid one after the other.
    """

    owner: Tensor
    age: Tensor
    gap: Tensor | None
    weight: Tensor | None
    last: Tensor
    blocks: list[Block]
    seat: Tensor
    place: Tensor

    @classmethod
    def of(cls, histories: Histories, device: torch.device) -> "Packed":
        """On the device. No history is empty: Examples have none such."""

        def there(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else torch.from_numpy(array).to(device)

        sequences = histories.events.events
        assert sequences.sizes.all()
        blocks, seat = [], np.empty(len(histories.age), np.int64)
        place, begin, n = np.empty(len(sequences), np.int64), 0, 0
        for bucket in histories.buckets(MOST):
            real = bucket.there
            seat[bucket.at[real]] = begin + np.flatnonzero(real)
            place[bucket.which] = n + np.arange(len(bucket.which))
            begin, n = begin + real.size, n + len(bucket.which)
            parts = (bucket.at, real, bucket.which)
            blocks.append(Block(*(torch.from_numpy(each).to(device) for each in parts)))
        arrays = (sequences.owners().astype(np.int64), histories.age, sequences.offsets[1:] - 1)
        owner, age, last = (torch.from_numpy(each).to(device) for each in arrays)
        seats, places = (torch.from_numpy(each).to(device) for each in (seat, place))
        gap, weight = there(histories.gap), there(histories.weight)
        return cls(owner, age, gap, weight, last, blocks, seats, places)

    def laid(self, x: Tensor) -> list[Tensor]:
        """[events, m] as the blocks have them, [histories, longest, m] each."""
        # one look for all blocks: the gradient of each is as large as x
        flat = F.embedding(torch.cat([block.at.ravel() for block in self.blocks]), x)
        pieces = flat.split([block.at.numel() for block in self.blocks])
        return [
            piece.view(*block.at.shape, -1)
            for block, piece in zip(self.blocks, pieces, strict=True)
        ]


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

    def forward(self, items: Tensor, packed: Packed) -> Tensor:
        """Vectors of users, [n, dim]. items [events, dim]; weights of a history sum to 1."""
        assert packed.weight is not None
        mean = items.new_zeros(len(packed.last), items.shape[1])
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
        found = []
        laid = zip(packed.blocks, packed.laid(scores), packed.laid(values), strict=True)
        for block, score, value in laid:
            share = torch.softmax(score.masked_fill(~block.there[:, :, None], -torch.inf), dim=1)
            heads = value.view(*value.shape[:2], self.heads, dim // self.heads)
            found.append(torch.einsum("nth,nthd->nhd", share, heads).reshape(-1, dim))
        out: Tensor = self.out(torch.cat(found)[packed.place])
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

    def forward(self, x: Tensor, packed: Packed, *, newest: bool = False) -> Tensor:
        """[events, dim]; newest: only at the newest event of each history, [n, dim]."""
        dim, part = x.shape[1], x.shape[1] // self.heads
        mixed = self.mix(self.before(x))  # [events, 3 dim]
        if newest:
            found, x = self._at_newest(mixed, packed), x[packed.last]
        else:
            found = []
            for laid in packed.laid(mixed):
                split = laid.view(*laid.shape[:2], 3, self.heads, part)
                query, key, value = split.permute(2, 0, 3, 1, 4)  # [n, heads, longest, part]
                seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
                found.append(seen.transpose(1, 2).reshape(-1, dim))
        place = packed.place if newest else packed.seat
        x = x + self._left(self.out(F.embedding(place, torch.cat(found))))
        wide = F.gelu(self.wide(self.between(x)))
        return x + self._left(self.narrow(wide))

    def _at_newest(self, mixed: Tensor, packed: Packed) -> list[Tensor]:
        """What the newest events of each block's histories see, [histories, dim] each."""
        dim = mixed.shape[1] // 3
        asked, found = mixed[packed.last, :dim], []
        for block, laid in zip(packed.blocks, packed.laid(mixed[:, dim:]), strict=True):
            n, longest, _ = laid.shape
            key, value = laid.view(n, longest, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            query = asked[block.which].view(n, self.heads, 1, -1)
            seen = F.scaled_dot_product_attention(
                query, key, value, attn_mask=block.there[:, None, None]
            )
            found.append(seen.reshape(n, dim))
        return found

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
            x = layer(x, packed)
        out: Tensor = self.norm(end(x, packed, newest=not self.every))
        return out


def user_tower(setting: Tower, dim: int, reach: int, *, every: bool) -> nn.Module:
    """The tower that a setting describes, new."""
    if isinstance(setting, Mean):
        return MeanTower(setting, dim)
    if isinstance(setting, Attention):
        return AttentionTower(setting, dim, reach)
    return TransformerTower(setting, dim, reach, every=every)
