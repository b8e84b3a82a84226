"""The graph of who took what, and how vectors spread over it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.compiled import njit
from recembed.training.gains import FAST
from recembed.training.tiles import prefetch
from recembed.training.version import VERSION

AHEAD = 8  # edges before its turn that a row is asked for: 24 ms for 1.2 M edges of 64, else 30


def scales(matrix: sp.csr_matrix, axis: int) -> Vectors:
    """1 / sqrt of what weights add up to along an axis, regardless of sign; 0 where to nothing."""
    total = np.asarray(abs(matrix).sum(axis=axis)).ravel()
    found = np.zeros(len(total), np.float32)
    return np.divide(1, np.sqrt(total), out=found, where=total > 0)


@dataclass(frozen=True, eq=False)
class Graph:
    """Rows are units, then items.

    edges: D^-1/2 A D^-1/2, symmetric, float32. units, items: where each thread's share of their
    rows begins, and the end.
    """

    edges: sp.csr_matrix
    units: list[int]
    items: list[int]
    pool: ThreadPoolExecutor

    @classmethod
    def of(cls, matrix: sp.csr_matrix, pool: ThreadPoolExecutor, threads: int) -> "Graph":
        """From units x items, weights above 0."""
        across = sp.diags(scales(matrix, 1)) @ matrix @ sp.diags(scales(matrix, 0))
        edges = sp.bmat([[None, across], [across.T, None]], format="csr", dtype=np.float32)
        edges.sort_indices()
        n_units, n = matrix.shape[0], edges.shape[0]
        units = _shares(edges.indptr, 0, n_units, threads)
        items = _shares(edges.indptr, n_units, n, threads)
        return cls(edges, units, items, pool)

    def summed(self, vectors: Vectors, layers: int) -> Vectors:
        """The sum of A^k x over k = 0 .. layers, by Horner's rule: x + A (x + A (x + ...)).

        A is symmetric, and so is this map: gradients go back through it as well.
        """
        now = vectors
        for _ in range(layers):
            there = np.empty_like(vectors)
            for side in (self.units, self.items):
                self._layer(vectors, now, there, side)
            now = there
        return now

    def from_items(self, vectors: Vectors, layers: int) -> Vectors:
        """The same where the units' own vectors are 0: a layer moves one side, half of the work."""
        return self._by_sides(vectors, [self.units, self.items] * layers, layers)

    def to_items(self, vectors: Vectors, layers: int) -> Vectors:
        """The items' rows of `summed` in as much work; those of the units are of no use."""
        sides = [self.units, self.items] * layers
        return self._by_sides(vectors, sides[layers % 2 :], layers)

    def run(self, work: Callable[[int, int], object], side: list[int]) -> None:
        """work: on rows first .. end - 1."""
        for each in [self.pool.submit(work, first, end) for first, end in pairwise(side)]:
            each.result()

    def _by_sides(self, vectors: Vectors, sides: list[list[int]], layers: int) -> Vectors:
        now = vectors.copy()
        for side in sides[:layers]:
            self._layer(vectors, now, now, side)  # reads the other side alone
        return now

    def _layer(self, starts: Vectors, now: Vectors, to: Vectors, side: list[int]) -> None:
        edges = self.edges.indptr, self.edges.indices, self.edges.data
        self.run(lambda first, end: _layer(edges, starts, now, to, first, end), side)


def _shares(offsets: NDArray[np.integer], first: int, end: int, threads: int) -> list[int]:
    """Cuts rows first .. end - 1 into parts with about as many edges."""
    loads = np.linspace(offsets[first], offsets[end], threads + 1)[1:-1]
    return [first, *(first + np.searchsorted(offsets[first:end], loads)).tolist(), end]


@njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False)
def _layer(
    edges: Any,  # offsets [n_rows + 1], rows [n_edges], weights float32 [n_edges]
    starts: Any,  # float32 [n_rows, dim]
    vectors: Any,  # float32 [n_rows, dim]
    to: Any,  # float32 [n_rows, dim]
    first: int,
    end: int,
) -> None:
    """Rows first .. end - 1 of starts + edges vectors."""
    VERSION  # noqa: B018 - part of the key that compiled code is stored under
    offsets, others, weights = edges
    last = len(others) - 1
    total = np.empty(vectors.shape[1], np.float32)
    for row in range(first, end):
        total[:] = starts[row]
        for at in range(offsets[row], offsets[row + 1]):
            prefetch(vectors, others[min(at + AHEAD, last)])
            other, weight = vectors[others[at]], weights[at]
            for k in range(len(total)):
                total[k] += weight * other[k]
        to[row] = total
