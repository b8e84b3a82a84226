"""What the item table says of items, as numbers."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recembed.arrays import Mask, Vectors


@dataclass(frozen=True, eq=False)
class Content:
    """What is known of items beside who took them, aligned with them.

    sparse: item x (category or word), float32. dense: numbers and vectors, float32 [n_items, m].
    """

    sparse: sp.csr_matrix
    dense: Vectors

    @classmethod
    def none(cls, n_items: int) -> "Content":
        """Nothing is known."""
        dense = np.zeros((n_items, 0), np.float32)
        return cls(sp.csr_matrix(dense), dense)

    def __bool__(self) -> bool:
        return bool(self.sparse.shape[1] or self.dense.shape[1])

    @property
    def known(self) -> Mask:
        """Items of which anything is known, [n_items]."""
        return (self.sparse.getnnz(axis=1) > 0) | self.dense.any(axis=1)

    def take(self, rows: np.ndarray) -> "Content":
        """Of some items, in this order."""
        return Content(self.sparse[rows], self.dense[rows])

    def mapped(self, sparse: Vectors, dense: Vectors) -> Vectors:
        """Through what was learned of each column, [n_items, dim]."""
        found: Vectors = self.sparse @ sparse + self.dense @ dense
        return found
