"""What a step does to a table: gradients come to its rows, and Adam moves them."""

from typing import Any

import numpy as np

from recembed.compiled import njit
from recembed.training.gains import FAST

KEPT, KEPT_SQUARE, LEAST = 0.9, 0.999, 1e-8  # Adam's betas and epsilon, as published


@njit(nogil=True, boundscheck=False)
def add_rows(to: Any, rows: Any, vectors: Any) -> None:
    """to[rows[i]] += vectors[i] for each i, for rows that come more than once, too."""
    for at in range(len(rows)):
        row, more = to[rows[at]], vectors[at]
        for k in range(len(more)):
            row[k] += more[k]


@njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False)
def adam(
    tables: Any,  # the numbers, the moving means of their gradients and of the squares of these
    gradient: Any,  # float32 [n_rows, dim]
    step: int,  # from 1
    learning_rate: float,
    first: int,
    end: int,
) -> None:
    """A step for rows first .. end - 1. Source: Kingma, Ba 2015 (arXiv 1412.6980)."""
    table, means, squares = tables
    rate = np.float32(learning_rate / (1 - KEPT**step))
    grown = np.float32(1 / (1 - KEPT_SQUARE**step))
    new, new_square = np.float32(1 - KEPT), np.float32(1 - KEPT_SQUARE)
    for row in range(first, end):
        x, g, mean, square = table[row], gradient[row], means[row], squares[row]
        for k in range(len(x)):
            mean[k] += new * (g[k] - mean[k])
            square[k] += new_square * (g[k] * g[k] - square[k])
            x[k] -= rate * mean[k] / (np.sqrt(square[k] * grown) + np.float32(LEAST))
