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
    """Pairs of a query and a row that may be listed, by query: scores before, and raised."""

    owners: NDArray[np.int64]
    rows: NDArray[np.int64]
    before: Vectors
    scores: Vectors

    def at(self, level: Vectors, scores: Vectors) -> NDArray[np.int64]:
        """How many of each query's have its `level` [n_queries]; scores: one of the two."""
        return np.bincount(self.owners[scores == level[self.owners]], minlength=len(level))


def own_items(
    items: Embeddings,
    users: Vectors,
    raised: sp.csr_matrix,
    exclude: Sequences | None,
    allow: Mask | Sequences | None,
) -> Own:
    """What of `raised` [n_users, n_items] may be listed, scored by vectors and raised."""
    pairs = raised.tocoo()
    owners, rows = (each.astype(np.int64) for each in pairs.coords)
    may = items.known[rows]
    if isinstance(allow, Sequences):
        may &= _among(owners, rows, allow, raised.shape[1])
    elif allow is not None:
        may &= allow[rows]
    if exclude is not None:
        may &= ~_among(owners, rows, exclude, raised.shape[1])
    owners, rows = owners[may], rows[may]
    before = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), AT_ONCE):  # in float64 and rounded, as an index does
        at = slice(start, start + AT_ONCE)
        mine, theirs = users[owners[at]], items.vectors[rows[at]]
        before[at] = np.einsum("nd,nd->n", mine, theirs, dtype=np.float64)
    return Own(owners, rows, before, before + raised.data[may])


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
    if top.k:  # of what has the last score of a list, there may be more beyond its end
        last = top.scores[:, -1]
        same = (found.scores[:, -1] == last) & (found.rows[:, -1] >= 0)
        beyond = top.tied - own.at(last, own.before) + own.at(last, own.scores)
        tied = np.where(same, beyond, found.tied)
        found.tied[:] = np.where(top.tied < 0, -1, tied)
    return found


def _among(
    owners: NDArray[np.int64], rows: NDArray[np.int64], lists: Sequences, n_items: int
) -> Mask:
    """Whether each pair is in a list of its query."""
    listed = lists.owners().astype(np.int64) * n_items + lists.values
    found: Mask = np.isin(owners * n_items + rows, listed)
    return found
