"""What models learn from and answer for: the matrix of units, and histories of known items."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from recembed.arrays import Mask, Vectors
from recembed.data.interactions import Interactions
from recembed.errors import DataError


def trained_events(histories: Interactions, known: Mask) -> Interactions:
    """The histories without items that nobody trained: these would age and outweigh the others."""
    kept = known[histories.rows]
    return histories if kept.all() else histories.keep(kept)


def over_popular(scores: sp.csr_matrix, counts: Vectors) -> Vectors:
    """Scores [n, n_items] as a dense block; items without one come below 0, popular ones first."""
    dense: Vectors = scores.toarray()
    np.copyto(dense, -1 / (1 + counts), where=dense == 0)
    return dense


def unit_matrix(events: Interactions, unit: Literal["user", "group"]) -> sp.csr_matrix:
    """Unit x item counts, float32; user rows use the weights where the log has them.

    Raises: DataError if the weights of a user and an item sum up to less than 0.
    """
    if unit == "user":
        return _checked(events.matrix())
    sentences = events.sentences("group")
    ones = np.ones(len(sentences.values), np.float32)
    matrix = sp.csr_matrix(
        (ones, sentences.values.copy(), sentences.offsets.copy()),
        shape=(len(sentences), events.n_items),
    )
    matrix.sum_duplicates()
    return matrix


def _checked(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Without pairs of weight 0: an item that has no other would have a length of 0."""
    below = np.count_nonzero(matrix.data < 0)
    if below:
        raise DataError(
            f"{below} of {matrix.nnz} pairs of user and item have a weight below 0, where 0 is "
            "the least that can be learned from: leave them out (returned goods, say)"
        )
    matrix.eliminate_zeros()
    return matrix
