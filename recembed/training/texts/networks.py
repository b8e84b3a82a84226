"""Networks over tokens in torch: vectors of tokens in their texts, and of texts."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from recembed.arrays import Vectors
from recembed.training.attention import Layer, dropped, turns_of
from recembed.training.texts.packed import Packed
from recembed.training.texts.settings import CNN, LSTM, Part, Transformer

SIZE = 0.02  # of numbers at the start, as in BERT
SHORT = 1e-9  # weights that add up to less are none
RARE = 1e-3  # the share of a token that weighs half of a rare one; SIF's (ICLR 2017)


class TransformerBody(nn.Module):
    """Self-attention, both ways, over tokens and how far they are from each other."""

    def __init__(self, setting: Transformer, dim: int) -> None:
        super().__init__()
        self.dropout, self.part = setting.dropout, dim // setting.heads
        self.layers = nn.ModuleList(
            Layer(
                dim,
                heads=setting.heads,
                width=setting.width,
                dropout=setting.dropout,
                causal=False,
            )
            for _ in range(setting.layers)
        )
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=SIZE)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, packed: Packed) -> Tensor:
        """[t, dim]."""
        turns = turns_of(packed.at, self.part)
        if self.training:
            x = dropped(x, self.dropout)
        for layer in self.layers:
            x = layer(x, packed.blocks, turns=turns)
        out: Tensor = self.norm(x)
        return out


class LSTMBody(nn.Module):
    """An LSTM each way, half of the numbers each, beside a shortcut."""

    def __init__(self, setting: LSTM, dim: int) -> None:
        super().__init__()
        self.dropout = setting.dropout
        self.lstm = nn.LSTM(dim, dim // 2, setting.layers, bidirectional=True)

    def forward(self, x: Tensor, packed: Packed) -> Tensor:
        """[t, dim]."""
        if self.training:
            x = dropped(x, self.dropout)
        seat, order, sizes = _steps(packed)
        steps = PackedSequence(F.embedding(order, x), sizes)
        with torch.autocast(x.device.type, enabled=False):  # few CPUs have one in bfloat16
            found: Tensor = self.lstm(steps)[0].data
        return x + F.embedding(seat, found)


def _steps(packed: Packed) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens in the order of their places, those of longer texts first.

    seat int64 [t]: where each token stands in it; order int64 [t]: the token at each seat; sizes
    int64 [longest], on the CPU: of the tokens at each place.
    """
    lengths = np.diff(packed.offsets)
    rank = np.empty(len(lengths), np.int64)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    at = np.arange(len(owner)) - packed.offsets[owner]
    sizes = np.bincount(at)
    seat = (np.cumsum(sizes) - sizes)[at] + rank[owner]
    device = packed.rows.device
    seats, order = (torch.from_numpy(each).to(device) for each in (seat, np.argsort(seat)))
    return seats, order, torch.from_numpy(sizes)


class CNNBody(nn.Module):
    """Layers of which each sees a token and its neighbours, beside a shortcut."""

    def __init__(self, setting: CNN, dim: int) -> None:
        super().__init__()
        self.reach, self.dropout = setting.reach, setting.dropout
        width = 2 * setting.reach + 1
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(setting.layers))
        self.maps = nn.ModuleList(nn.Linear(width * dim, dim) for _ in range(setting.layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, packed: Packed) -> Tensor:
        """[t, dim]."""
        near = self._neighbours(packed)  # [t, width]
        if self.training:
            x = dropped(x, self.dropout)
        for norm, each in zip(self.norms, self.maps, strict=True):
            padded = F.pad(norm(x), (0, 0, 0, 1))  # [t + 1, dim]
            seen = F.embedding(near, padded, padding_idx=len(x)).flatten(1)  # [t, width dim]
            new = F.gelu(each(seen))
            x = x + (dropped(new, self.dropout) if self.training else new)
        out: Tensor = self.norm(x)
        return out

    def _neighbours(self, packed: Packed) -> Tensor:
        """Each token and those around it in its text, [t, width]; t stands for none."""
        steps = torch.arange(-self.reach, self.reach + 1, device=packed.rows.device)
        sizes = torch.from_numpy(np.diff(packed.offsets)).to(packed.rows.device)
        at = packed.at[:, None] + steps
        there = (at >= 0) & (at < sizes[packed.owner][:, None])
        near = torch.arange(len(packed.rows), device=packed.rows.device)[:, None] + steps
        return near.masked_fill_(~there, len(near))


def _body(setting: Part, dim: int) -> nn.Module | None:
    if isinstance(setting, Transformer):
        return TransformerBody(setting, dim)
    if isinstance(setting, LSTM):
        return LSTMBody(setting, dim)
    return CNNBody(setting, dim) if isinstance(setting, CNN) else None


class TextNetwork(nn.Module):
    """Vectors of texts: means of their tokens' vectors, weighted by what a token is.

    table [n_tokens, dim]: what a token is by itself; weight [n_tokens]: the log of its weight.
    """

    def __init__(self, setting: Part, n_tokens: int, dim: int) -> None:
        super().__init__()
        self.setting, self.dropout = setting, setting.dropout
        self.table = nn.Parameter(torch.randn(n_tokens, dim) * dim**-0.5)
        self.weight = nn.Parameter(torch.zeros(n_tokens))
        self.body = _body(setting, dim)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.table.device

    def tokens(self, packed: Packed) -> Tensor:
        """Vectors of tokens where they stand, [t, dim]."""
        x = F.embedding(packed.rows, self.table)
        return x if self.body is None else self.body(x, packed)

    def forward(self, packed: Packed) -> Tensor:
        """Vectors of texts, [n, dim]; zeros for one without tokens."""
        if len(packed.rows) == 0:
            return self.table.new_zeros(len(packed), self.dim)
        weight = self.weight[packed.rows].exp()  # [t]
        if self.body is None and self.training:
            weight = dropped(weight, self.dropout)
        total = weight.new_zeros(len(packed)).index_add(0, packed.owner, weight)
        share = weight / total.clamp(min=SHORT)[packed.owner]
        if self.body is None:  # in one pass, without a vector for each token
            offsets = torch.from_numpy(packed.offsets[:-1]).to(self.device)
            return F.embedding_bag(
                packed.rows, self.table, offsets, mode="sum", per_sample_weights=share
            )
        found = self.tokens(packed)
        sums = found.new_zeros(len(packed), self.dim)
        return sums.index_add(0, packed.owner, found * share[:, None].to(found.dtype))

    @torch.no_grad()
    def begin(self, counts: NDArray[np.int64], vectors: Vectors | None = None) -> None:
        """Frequent tokens weigh little; vectors [n_tokens, dim]: of tokens, at any scale.

        counts [n_tokens]: how often each occurs.
        """
        share = counts / max(counts.sum(), 1)
        self.weight.copy_(torch.from_numpy(np.log(RARE / (RARE + share))))
        if vectors is not None:
            scale = self.dim * max(float(np.square(vectors).mean()), 1e-12)
            self.table.copy_(torch.from_numpy(vectors) / scale**0.5)
