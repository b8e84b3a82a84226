"""SASRec in plain PyTorch on padded histories, as the field writes it: what ours is held against.

Every history is a row of `reach` events, the padding last, so a causal mask needs no other. The
layers are PyTorch's own, the scores of all positions against all items are one matrix, and the
padding is left out of the loss. The architecture is ours: with equal weights the loss is equal.
"""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.two_tower_process import WARM
from recembed.data.sequences import Sequences

PAD, NONE = 0, -1  # items of histories count from 1, those of targets from 0


class Layer(nn.Module):
    """Attention to the past and a feed-forward part, each after a norm."""

    def __init__(self, dim: int, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, width * dim), nn.GELU(), nn.Linear(width * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[batch, reach, dim]."""
        y = self.before(x)
        seen, _ = self.attention(y, y, y, attn_mask=mask, is_causal=True, need_weights=False)
        x = x + self.dropout(seen)
        return x + self.dropout(self.feed_forward(self.between(x)))


class SASRec(nn.Module):
    """Scores of all items at each event of padded histories."""

    def __init__(
        self,
        n_items: int,
        reach: int,
        *,
        dim: int,
        blocks: int,
        heads: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim, padding_idx=PAD)
        self.positions = nn.Embedding(reach, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, width, dropout) for _ in range(blocks))
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(dropout)
        mask = nn.Transformer.generate_square_subsequent_mask(reach)
        self.register_buffer("mask", mask, persistent=False)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, histories: Tensor) -> Tensor:
        """[batch, reach, n_items] of int64 [batch, reach]."""
        lengths = (histories != PAD).sum(dim=1, keepdim=True)
        age = (lengths - 1 - torch.arange(histories.shape[1])).clamp(min=0)  # the newest is 0
        x = self.dropout(self.items(histories) + self.positions(age))
        for layer in self.layers:
            x = layer(x, self.mask)
        scores: Tensor = self.norm(x) @ self.items.weight[1:].T
        return scores

    def loss(self, histories: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the targets, both int64 [batch, reach]."""
        scores = self(histories).flatten(0, 1)
        return F.cross_entropy(scores, targets.flatten(), ignore_index=NONE)


def padded(histories: Sequences, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Events and what came next, [n, reach] both, of histories with two events or more."""
    long = [each for each in histories if len(each) > 1]
    before, after = np.full((2, len(long), reach), [[[PAD]], [[NONE]]], np.int64)
    for row, each in enumerate(long):
        newest = each[-reach - 1 :]
        n = len(newest) - 1
        before[row, :n], after[row, :n] = newest[:-1] + 1, newest[1:]
    return before, after


def rate(model: SASRec, histories: Sequences, batch_size: int, steps: int, threads: int) -> float:
    """Target positions a second of an epoch's first steps, after some that warm up."""
    torch.set_num_threads(threads)
    before, after = map(torch.from_numpy, padded(histories, len(model.mask)))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.001, betas=(0.9, 0.98))
    batches = torch.randperm(len(before)).split(batch_size)[: WARM + steps]
    positions, begin = 0, 0.0
    model.train()
    for step, batch in enumerate(batches):
        if step == WARM:
            begin = time.perf_counter()
        optimiser.zero_grad()
        model.loss(before[batch], after[batch]).backward()
        optimiser.step()
        if step >= WARM:
            positions += int((after[batch] != NONE).sum())
    return positions / (time.perf_counter() - begin)
