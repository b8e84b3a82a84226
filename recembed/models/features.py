"""Categories of items as rows of the input table: what an item shares with others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import Arrays


@dataclass(frozen=True, eq=False)
class Features:
    """trained [n_items]: items with pairs. categories: item x category, 1 where it has it.

    Only categories of trained items are left: nobody learned anything about the others.
    """

    trained: Mask
    categories: sp.csr_matrix

    @classmethod
    def of(cls, log: Log, names: tuple[str, ...], trained: Mask) -> "Features":
        """From columns of the item table.

        Raises: DataError without one, without a column, or where trained items have no category.
        """
        if log.items is None:
            raise DataError(f"features {', '.join(names)} need an item table (--items)")
        rows, meanings = log.items.categories(names)
        ones = np.ones(len(rows.values), np.float32)
        shape = (len(trained), len(meanings))
        matrix = sp.csr_matrix((ones, rows.values, rows.offsets), shape=shape)
        seen = matrix[trained].getnnz(axis=0) > 0
        if not seen.any():
            raise DataError(
                f"none of {np.count_nonzero(trained)} trained items has a category in "
                f"{', '.join(names)}: name other columns, or see whether the ids of the item "
                "table are those of the log"
            )
        return cls(trained, matrix[:, seen])

    def bags(self) -> Sequences:
        """Rows of the input table that each item is the mean of: its own and its categories'.

        Category c is row n_items + c. An item that is not trained has no row of its own.
        """
        matrix = self._bags()
        return Sequences(matrix.indices.astype(np.int32), matrix.indptr.astype(np.int64))

    def spread(self, table: Vectors, outputs: Vectors) -> tuple[Vectors, Vectors, Mask]:
        """(inputs, outputs, known) of all items from the trained tables.

        An item that nobody touched is retrieved by the mean of its categories, a category by the
        mean output vector of its trained items.
        """
        known = self.trained | (self.categories.getnnz(axis=1) > 0)
        untouched = _mean(self.categories) @ self._averages(outputs)
        outputs = np.where(self.trained[:, None], outputs, untouched)
        return _mean(self._bags()) @ table, outputs, known

    def learned(self, table: Vectors, outputs: Vectors) -> Arrays:
        """What is known of an item by each of its categories, from the trained tables.

        inputs, outputs [n_categories, dim]: an untouched item has their means. trained: which items
        they were learned from, uint8 [n_items].
        """
        return {
            "inputs": table[len(self.trained) :],
            "outputs": self._averages(outputs),
            "trained": self.trained.astype(np.uint8),
        }

    def untouched(self, learned: Mapping[str, NDArray[Any]], rows: Rows) -> tuple[Vectors, Vectors]:
        """(inputs, outputs) of items that nobody touched, from `learned`, [len(rows), dim]."""
        mean = _mean(self.categories[rows])
        return mean @ learned["inputs"], mean @ learned["outputs"]

    def _averages(self, outputs: Vectors) -> Vectors:
        averages: Vectors = _mean(self.categories[self.trained].T.tocsr()) @ outputs[self.trained]
        return averages

    def _bags(self) -> sp.csr_matrix:
        own = sp.diags(self.trained.astype(np.float32), format="csr")
        own.eliminate_zeros()
        both: sp.csr_matrix = sp.hstack([own, self.categories], format="csr")
        return both


def _mean(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Rows that sum up to 1, those without entries to 0."""
    sums = np.maximum(np.asarray(matrix.sum(axis=1)), 1).ravel()
    mean: sp.csr_matrix = sp.diags((1 / sums).astype(np.float32)) @ matrix
    return mean
