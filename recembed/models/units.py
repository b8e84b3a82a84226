"""What models learn from and answer for: the matrix of units, and histories of known items."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from recembed.arrays import Mask
from recembed.data.interactions import Interactions


def trained_events(histories: Interactions, known: Mask) -> Interactions:
    """The histories without items that nobody trained: these would age and outweigh the others."""
    kept = known[histories.rows]
    return histories if kept.all() else histories.keep(kept)


def unit_matrix(events: Interactions, unit: Literal["user", "group"]) -> sp.csr_matrix:
    """Unit x item counts, float32; user rows use the weights where the log has them."""
    if unit == "user":
        return events.matrix()
    sentences = events.sentences("group")
    ones = np.ones(len(sentences.values), np.float32)
    matrix = sp.csr_matrix(
        (ones, sentences.values.copy(), sentences.offsets.copy()),
        shape=(len(sentences), events.n_items),
    )
    matrix.sum_duplicates()
    return matrix
