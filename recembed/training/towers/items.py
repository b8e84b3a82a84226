"""The item tower: a vector of an item's id, and of what the catalogue says of it."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from recembed.arrays import Vectors
from recembed.training.content import Content


class _SparseMap(torch.autograd.Function):
    """matrix @ table, both ways by sparse products: an embedding bag's backward is far slower."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, table: Tensor) -> Tensor:
        ctx.transposed = transposed
        with torch.autocast(table.device.type, enabled=False):  # there is no such product
            return matrix @ table

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, ctx.transposed @ grads[0]


def mapped(matrix: sp.csr_matrix, table: Tensor) -> Tensor:
    """Matrix @ table, with a gradient for the table, [len(matrix), dim]."""
    found: Tensor = _SparseMap.apply(*_both(matrix, table), table)
    return found


class ItemTower(nn.Module):
    """Vectors of items: their id's plus linear maps of their content, [n, dim].

    Where an id is dropped, the content alone is left; an item without content keeps its id.
    """

    has: Tensor
    numbers: Tensor

    def __init__(
        self,
        content: Content,
        dim: int,
        size: float,
        *,
        biased: bool,
        id_dropout: float,
        touched: bool,
        starts: Vectors | None = None,
    ) -> None:
        """size: of numbers at the start. touched: the gradient of `ids` has only rows asked for.

        starts: of the last columns of content.sparse, [n, dim]; those that are zeros, and all other
        columns, start from chance.
        """
        super().__init__()
        n_items, m = content.dense.shape
        self.content, self.id_dropout, self.touched = content, id_dropout, touched
        self.ids = nn.Parameter(torch.randn(n_items, dim) * size)
        self.bias = nn.Parameter(torch.zeros(n_items)) if biased else None
        self.sparse = nn.Parameter(torch.randn(content.sparse.shape[1], dim) * size)
        if starts is not None:
            there = np.flatnonzero(starts.any(axis=1))
            rows = len(self.sparse) - len(starts) + there
            self.sparse.data[rows] = torch.from_numpy(starts[there])
        self.dense = nn.Parameter(torch.randn(m, dim) * size)
        self.register_buffer("has", torch.from_numpy(content.known), persistent=False)
        self.register_buffer("numbers", torch.from_numpy(content.dense), persistent=False)
        self._whole: tuple[Tensor, Tensor] | None = None

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """Of some items, [len(rows), dim]; None: of all. While training, ids are dropped."""
        vectors = self.ids if rows is None else _rows(self.ids, rows, self.touched)
        if not self.content:
            return vectors
        if self.training and self.id_dropout:
            has = self.has if rows is None else self.has[rows]
            kept = torch.rand(len(vectors), device=vectors.device) >= self.id_dropout
            vectors = vectors * (kept | ~has)[:, None]
        if len(self.sparse):
            vectors = vectors + _SparseMap.apply(*self._sparse(rows), self.sparse)
        if len(self.dense):
            numbers = self.numbers if rows is None else self.numbers[rows]
            vectors = vectors + numbers @ self.dense
        return vectors

    @property
    def maps(self) -> tuple[Tensor, Tensor]:
        """Of the two halves of content."""
        return self.sparse, self.dense

    def biases(self, rows: Tensor | None = None) -> Tensor | None:
        """Of some items, [len(rows)], or of all; None where there are none."""
        return self.bias if rows is None or self.bias is None else self.bias[rows]

    def _sparse(self, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """The matrix of some items and its transpose; that of all is kept."""
        if rows is not None:
            return _both(self.content.sparse[rows.cpu().numpy()], self.ids)
        if self._whole is None:
            self._whole = _both(self.content.sparse, self.ids)
        return self._whole


def _rows(table: nn.Parameter, rows: Tensor, touched: bool) -> Tensor:
    return nn.functional.embedding(rows, table, sparse=touched)


def _both(matrix: sp.csr_matrix, table: Tensor) -> tuple[Tensor, Tensor]:
    return _csr(matrix, table), _csr(matrix.T.tocsr(), table)


def _csr(matrix: sp.csr_matrix, table: Tensor) -> Tensor:
    with warnings.catch_warnings():  # torch says once that these are new
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data).to(table.dtype),
            size=matrix.shape,
            device=table.device,
            check_invariants=False,
        )
