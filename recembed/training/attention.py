"""Attention over sequences that lie one after the other, in blocks of about one length."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.arrays import Offsets
from recembed.training.buckets import buckets

MOST = 1 << 16  # values of a block: few are that long, and one block's scratch space stays small
# Rows of matrices are padded to a multiple: in bfloat16 a CPU compiles a product anew for each
# shape, which takes 10 ms, far longer than most products.
ROWS = 512
SLOWEST = 1e4  # the places in which the slowest pair turns by 1; RoFormer's


@dataclass(frozen=True, eq=False)
class Block:
    """A bucket as tensors. there bool [m, longest]: no padding; full: it is nowhere padded."""

    at: Tensor
    there: Tensor
    which: Tensor
    full: bool


@dataclass(frozen=True, eq=False)
class Blocks:
    """Where sequences, of which none is empty, stand in blocks laid one after the other.

    last int64 [n]: the last value of each sequence. seat int64 [values], place int64 [n]: where
    each value, and each sequence, stands in the blocks. whole: (n, length) where all are of one
    length, so that the one block is just the values in their order; None elsewhere.
    """

    blocks: list[Block]
    last: Tensor
    seat: Tensor
    place: Tensor
    whole: tuple[int, int] | None

    @classmethod
    def of(cls, offsets: Offsets, device: torch.device) -> "Blocks":
        """Of the sequences with these offsets."""
        blocks, seat = [], np.empty(offsets[-1], np.int64)
        place, begin, n = np.empty(len(offsets) - 1, np.int64), 0, 0
        for bucket in buckets(offsets, MOST):
            real = bucket.there
            seat[bucket.at[real]] = begin + np.flatnonzero(real)
            place[bucket.which] = n + np.arange(len(bucket.which))
            begin, n = begin + real.size, n + len(bucket.which)
            parts = (bucket.at, real, bucket.which)
            at, there, which = (torch.from_numpy(each).to(device) for each in parts)
            blocks.append(Block(at, there, which, bool(real.all())))
        arrays = (offsets[1:] - 1, seat, place)
        last, seats, places = (torch.from_numpy(each).to(device) for each in arrays)
        whole = tuple(blocks[0].at.shape) if len(blocks) == 1 and blocks[0].full else None
        return cls(blocks, last, seats, places, whole)

    def laid(self, x: Tensor) -> list[Tensor]:
        """[values, m] as the blocks have them, [sequences, longest, m] each."""
        if self.whole is not None:
            return [x.view(*self.whole, -1)]
        # one look for all blocks: the gradient of each is as large as x
        flat = F.embedding(torch.cat([block.at.ravel() for block in self.blocks]), x)
        pieces = flat.split([block.at.numel() for block in self.blocks])
        return [
            piece.view(*block.at.shape, -1)
            for block, piece in zip(self.blocks, pieces, strict=True)
        ]

    def taken(self, found: list[Tensor]) -> Tensor:
        """From the blocks, [sequences, longest, m] each, back to [values, m]."""
        flat = [each.flatten(0, 1) for each in found]
        return flat[0] if self.whole is not None else F.embedding(self.seat, torch.cat(flat))


def dropped(x: Tensor, share: float) -> Tensor:
    """Numbers left out by chance, the others scaled up; three times as fast as torch's dropout."""
    if share == 0:
        return x
    return x * torch.rand_like(x).ge_(share).div_(1 - share)


def _attention(*parts: Tensor, **options: Any) -> Tensor:
    """torch's; on a CPU never in bfloat16, in which its gradient takes five times as long."""
    if parts[0].device.type != "cpu":
        return F.scaled_dot_product_attention(*parts, **options)
    with torch.autocast("cpu", enabled=False):
        wide = (each.to(torch.promote_types(each.dtype, torch.float32)) for each in parts)
        return F.scaled_dot_product_attention(*wide, **options)


def _mapped(layer: nn.Linear, x: Tensor) -> Tensor:
    """layer(x) of a number of rows that is hardly ever the same."""
    if not torch.is_autocast_enabled("cpu"):
        found: Tensor = layer(x)
        return found
    padded: Tensor = layer(F.pad(x, (0, 0, 0, -len(x) % ROWS)))
    return padded[: len(x)]


def turns_of(at: Tensor, part: int) -> Tensor:
    """What turns pairs of numbers by the place `at` [n] of each value: complex [n, part / 2].

    The product of a query and a key then knows how far they are from each other. part: the length
    of both. Source: RoFormer, Su et al. 2021 (arXiv 2104.09864).
    """
    speeds = SLOWEST ** -torch.linspace(0, 1 - 2 / part, part // 2, device=at.device)
    angles = at[:, None] * speeds
    return torch.polar(torch.ones_like(angles), angles)


class Layer(nn.Module):
    """Self-attention and a feed-forward part, each after a norm and beside a shortcut.

    causal: what comes later is not seen.
    """

    def __init__(
        self, dim: int, *, heads: int, width: int, dropout: float, causal: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.dropout, self.causal = heads, dropout, causal
        self.before = nn.LayerNorm(dim)
        self.mix = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.between = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, width * dim)
        self.narrow = nn.Linear(width * dim, dim)

    def forward(
        self, x: Tensor, blocks: Blocks, *, newest: bool = False, turns: Tensor | None = None
    ) -> Tensor:
        """[values, dim]; newest: only at the last value of each sequence, [n, dim].

        turns: of each value's queries and keys, by its place; see `turns_of`.
        """
        mixed = _mapped(self.mix, self.before(x))  # [values, 3 dim]
        if turns is not None:
            mixed = self._turned(mixed, turns)
        if newest:
            seen, x = self._at_newest(mixed, blocks), x[blocks.last]
        else:
            laid = zip(blocks.blocks, blocks.laid(mixed), strict=True)
            seen = blocks.taken([self._seen(*each) for each in laid])
        x = x + self._left(_mapped(self.out, seen))
        wide = F.gelu(_mapped(self.wide, self.between(x)))
        return x + self._left(_mapped(self.narrow, wide))

    def _turned(self, mixed: Tensor, turns: Tensor) -> Tensor:
        """With queries and keys turned, [values, 3 dim]."""
        n, width = mixed.shape
        wide = mixed.to(torch.promote_types(mixed.dtype, torch.float32))  # no complex bfloat16
        asked, values = wide.split([2 * width // 3, width // 3], dim=1)
        pairs = torch.view_as_complex(asked.reshape(n, 2 * self.heads, -1, 2))
        turned = torch.view_as_real(pairs * turns[:, None]).reshape(n, -1)
        return torch.cat([turned, values], dim=1).to(mixed.dtype)

    def _seen(self, block: Block, laid: Tensor) -> Tensor:
        """What each value of a block sees, [sequences, longest, dim]. laid: 3 dim each."""
        split = laid.view(*laid.shape[:2], 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # [n, heads, longest, part]
        # padding stands last, where nothing before it sees it anyway
        mask = None if self.causal or block.full else block.there[:, None, None]
        seen = _attention(query, key, value, attn_mask=mask, is_causal=self.causal)
        return seen.transpose(1, 2).flatten(2)

    def _at_newest(self, mixed: Tensor, blocks: Blocks) -> Tensor:
        """What the last values see, [n, dim]."""
        dim = mixed.shape[1] // 3
        asked, found = mixed[blocks.last, :dim], []
        for block, laid in zip(blocks.blocks, blocks.laid(mixed[:, dim:]), strict=True):
            n, longest, _ = laid.shape
            key, value = laid.view(n, longest, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            query = asked[block.which].view(n, self.heads, 1, -1)
            seen = _attention(query, key, value, attn_mask=block.there[:, None, None])
            found.append(seen.reshape(n, dim))
        return F.embedding(blocks.place, torch.cat(found))

    def _left(self, x: Tensor) -> Tensor:
        return dropped(x, self.dropout) if self.training else x
