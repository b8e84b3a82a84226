"""What lists are worth beside accuracy."""

import numpy as np

from recembed.arrays import Mask, Rows


def listed(rows: Rows, n_items: int) -> Mask:
    """Whether each item stands in any of the lists, [n_items]. rows: int32 [n, k], -1 is none."""
    seen = np.zeros(n_items, np.bool_)
    seen[rows[rows >= 0]] = True
    return seen
