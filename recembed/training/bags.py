"""Queries that are means of table rows."""

from typing import Any

import numpy as np
from numba import njit


@njit(inline="always")
def unfold(  # noqa: PLR0913 - arrays
    row: int, share: np.float32, bags: Any, offsets: Any, part: Any, pull: Any, push: Any, n: int
) -> int:
    """Append the table rows that a row is the mean of to `part`; returns how many there are now.

    pull: what each adds to the query. push: how much of the query's change it gets, all of it as
    in word2vec and fastText, whose gradients leave the division of the mean out.
    """
    if len(bags) == 0:
        part[n], pull[n], push[n] = row, share, share
        return n + 1
    first, stop = offsets[row], offsets[row + 1]
    for at in range(first, stop):
        part[n], pull[n], push[n] = bags[at], share / np.float32(stop - first), share
        n += 1
    return n
