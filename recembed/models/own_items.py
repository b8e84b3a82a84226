"""Items of the own history whose scores a model raises, in lists of those it does not."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.protocols import TopK
from recembed.search.select import best_pairs

AT_ONCE = 1 << 14  # pairs whose vectors are multiplied: they stay in the cache


@dataclass(frozen=True, eq=False)
class Own:
    """Pairs of a query and a row that may be listed, by query, and their raised scores."""

    owners: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: Vectors


def own_items(
    items: Embeddings,
    users: Vectors,
    raised: sp.csr_matrix,
    exclude: Sequences | None,
    allow: Mask | Sequences | None,
) -> Own:
    """What of `raised` [n_users, n_items] may be listed, scored by vectors and raised."""
    owners, rows = (each.astype(np.int64) for each in _pairs(raised))
    may = items.known[rows]
    if isinstance(allow, Sequences):
        may &= _among(owners, rows, allow, raised.shape[1])
    elif allow is not None:
        may &= allow[rows]
    if exclude is not None:
        may &= ~_among(owners, rows, exclude, raised.shape[1])
    owners, rows, scores = owners[may], rows[may], raised.data[may]
    for start in range(0, len(rows), AT_ONCE):
        at = slice(start, start + AT_ONCE)
        scores[at] += np.einsum("nd,nd->n", users[owners[at]], items.vectors[rows[at]])
    return Own(owners, rows, scores)


def with_own(top: TopK, own: Own) -> TopK:
    """The best of lists and of own items, which stand in the lists with scores not raised yet.

    An item that is not raised and among the best k of all is among the best k of the lists.
    """
    listed = top.rows >= 0
    owners = np.nonzero(listed)[0]
    rows, scores = top.rows[listed].astype(np.int64), top.scores[listed]
    width = 1 + max(rows.max(initial=0), own.rows.max(initial=0))
    other = ~np.isin(owners * width + rows, own.owners * width + own.rows)
    found = best_pairs(
        np.concatenate([owners[other], own.owners]),
        np.concatenate([rows[other], own.rows]),
        np.concatenate([scores[other], own.scores]),
        len(top.rows),
        top.k,
    )
    if top.k:  # with the last score of a list there may be more beyond its end
        same = found.scores[:, -1] == top.scores[:, -1]
        found.tied[:] = np.where(same, top.tied, found.tied)
    return found


def _pairs(matrix: sp.csr_matrix) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices


def _among(
    owners: NDArray[np.int64], rows: NDArray[np.int64], lists: Sequences, n_items: int
) -> Mask:
    """Whether each pair is in a list of its query."""
    listed = lists.owners().astype(np.int64) * n_items + lists.values
    found: Mask = np.isin(owners * n_items + rows, listed)
    return found
