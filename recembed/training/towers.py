"""The two towers: items from their id and categories, users from their history."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.data.sequences import Sequences


class ItemTower(nn.Module):
    """Vector of an item: its id's plus the mean of its categories', [n_items, dim]."""

    def __init__(
        self, categories: Sequences, n_categories: int, dim: int, random: torch.Generator
    ) -> None:
        """categories: the category rows of each item."""
        super().__init__()
        scale = dim**-0.5  # vectors of length about 1
        n_items = len(categories)
        self.ids = nn.Parameter(torch.randn(n_items, dim, generator=random) * scale)
        self.categories = nn.Parameter(torch.randn(n_categories, dim, generator=random) * scale)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.register_buffer("values", torch.from_numpy(categories.values.copy()).long())
        self.register_buffer("offsets", torch.from_numpy(categories.offsets.copy()))

    def forward(self) -> Tensor:
        """All items at once, [n_items, dim]."""
        if len(self.values) == 0:
            return self.ids
        content = F.embedding_bag(
            self.values,
            self.categories,
            self.offsets,
            mode="mean",
            include_last_offset=True,
        )
        return self.ids + content


class HistoryTower(nn.Module):
    """Vector of a user: a linear map of the weighted mean of the items of a history."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(dim))

    def forward(self, items: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """Vectors of users, [batch, dim].

        items [n_items, dim], rows and weights [n_events], offsets [batch+1]. The weights of one
        history sum to 1.
        """
        mean = F.embedding_bag(
            rows,
            items,
            offsets,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )
        return mean @ self.map  # [batch, dim]
