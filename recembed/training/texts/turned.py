"""A linear map of vectors that stay as they are: the least that pairs can change."""

import torch
from torch import Tensor, nn

from recembed.arrays import Vectors
from recembed.training.attention import dropped
from recembed.training.texts.packed import Packed


class Turned(nn.Module):
    """Vectors [n, dim] and a map of them, which begins with nothing. A text is one row of them."""

    vectors: Tensor

    def __init__(self, vectors: Vectors, dropout: float, turn: Vectors | None = None) -> None:
        """dropout: share of the numbers left out. turn: [dim, dim], to go on from."""
        super().__init__()
        self.dropout, dim = dropout, vectors.shape[1]
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        begin = torch.zeros(dim, dim) if turn is None else torch.tensor(turn)
        self.turn = nn.Parameter(begin)

    def forward(self, packed: Packed) -> Tensor:
        """[n, dim]."""
        x = self.vectors[packed.rows]
        if self.training:
            x = dropped(x, self.dropout)
        return x + x @ self.turn
