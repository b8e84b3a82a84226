"""What an index can answer with: the known item vectors, gathered, and their true scores.

An index works on places 0..m-1 among the m known rows. They ascend with the rows, so the smaller
place is the smaller row.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import DataError, first
from recembed.protocols import TopK
from recembed.search.select import Places

SCRATCH = 1 << 26  # bytes of a temporary copy of vectors
CACHED = 1 << 20  # bytes of one that stays in the cache
LANES = 8  # partial sums of a true score


@dataclass(frozen=True, eq=False)
class Candidates:
    """rows int32 [m], ascending. vectors float32 [m, dim], as they are scored. n: all items.

    unit: whether queries are brought to length 1, so that the score is the cosine.
    """

    rows: Rows
    vectors: Vectors
    n: int
    unit: bool

    @classmethod
    def of(cls, embeddings: Embeddings) -> "Candidates":
        """The known items.

        Raises: DataError if one of their vectors is not finite.
        """
        rows = np.flatnonzero(embeddings.known).astype(np.int32)
        scored = embeddings.scored()
        vectors = np.ascontiguousarray(scored if len(rows) == len(scored) else scored[rows])
        _check_finite(vectors, rows, "item vectors")
        return cls(rows, vectors, len(scored), embeddings.metric == "cosine")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def place_of(self) -> Rows:
        """The place of each row, -1 where it is no candidate, int32 [n]."""
        places = np.full(self.n, -1, np.int32)
        places[self.rows] = np.arange(len(self))
        return places

    def narrow(self, places: Places) -> "Candidates":
        """These candidates alone; `places` ascend."""
        return Candidates(self.rows[places], self.vectors[places], self.n, self.unit)

    def prepared(self, queries: Vectors) -> Vectors:
        """Queries [q, dim] as they are scored.

        Raises: DataError if they have another shape or are not finite.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        dim = self.vectors.shape[1]
        if queries.ndim != 2 or queries.shape[1] != dim:
            raise DataError(f"queries are [n, {dim}] like the item vectors, not {queries.shape}")
        _check_finite(queries, np.arange(len(queries)), "queries")
        if not self.unit:
            return queries
        norms = lengths(queries)[:, None]
        return (queries / np.where(norms > 0, norms, 1)).astype(np.float32)

    def places(self, lists: Sequences) -> Sequences:
        """Rows as places; those that are no candidates are left out."""
        if len(self) == self.n:
            return lists
        moved = self.place_of[lists.values]
        return Sequences(moved, lists.offsets).keep(moved >= 0)

    def as_rows(self, top: TopK) -> TopK:
        """Answers in rows, from answers in places."""
        if len(self) == self.n:
            return top
        rows = np.append(self.rows, np.int32(-1))  # place -1 reads the last one
        return TopK(rows[top.rows], top.scores, top.tied)

    def dots(self, queries: Vectors, owners: Places, places: Places, memory: int) -> Vectors:
        """The true score of each (query, place) pair, [pairs], within `memory` bytes.

        Summed in float64 and rounded once, pair by pair: a BLAS product rounds differently in
        another batch, and two equal vectors would not tie. Eight partial sums, as `kernels.dot`
        has them in its lanes.
        """
        scores, dim = np.empty(len(owners), np.float32), self.vectors.shape[1]
        for block in blocks(len(owners), 24 * dim, memory):
            products = self.vectors[places[block]].astype(np.float64)  # [pairs, dim]
            products *= queries[owners[block]]
            whole = dim - dim % LANES  # numpy adds along a middle axis one after another
            lanes = products[:, :whole].reshape(len(products), -1, LANES).sum(axis=1)
            while lanes.shape[1] > 1:
                half = lanes.shape[1] // 2
                lanes = lanes[:, :half] + lanes[:, half:]
            for j in range(whole, dim):
                lanes[:, 0] += products[:, j]
            scores[block] = lanes[:, 0]
        return scores


def lengths(vectors: Vectors) -> NDArray[np.float64]:
    """Euclidean norm of each vector, [n]; in float64, whose range no float32 square leaves."""
    norms = np.empty(len(vectors))
    for block in blocks(len(vectors), 8 * vectors.shape[1], CACHED):
        norms[block] = np.sqrt(np.square(vectors[block], dtype=np.float64).sum(axis=1))
    return norms


def fingerprint(embeddings: Embeddings) -> str:
    """sha256 of what an index is built from: the vectors of the known rows, and the metric."""
    digest = hashlib.sha256(f"{embeddings.metric} {embeddings.dim}".encode())
    for block in blocks(len(embeddings.vectors), 4 * embeddings.dim, SCRATCH):
        known = embeddings.vectors[block][embeddings.known[block]]
        digest.update(np.ascontiguousarray(known).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Filter:
    """Which (query, place) pairs may be listed, for indices that find pairs one by one.

    banned, allowed: sorted keys query * m + place. mask: bool [m], for all queries.
    """

    n_queries: int
    m: int
    banned: Places
    allowed: Places | None = None
    mask: Mask | None = None

    @classmethod
    def of(
        cls,
        candidates: Candidates,
        n_queries: int,
        exclude: Sequences | None,
        allow: Mask | Sequences | None,
    ) -> "Filter":
        """From filters in rows that `check_filters` has passed."""
        m = len(candidates)
        banned = np.zeros(0, np.int64) if exclude is None else _keys(candidates, exclude)
        if isinstance(allow, Sequences):
            return cls(n_queries, m, banned, allowed=_keys(candidates, allow))
        if allow is None:
            return cls(n_queries, m, banned)
        mask = allow[candidates.rows]
        return cls(n_queries, m, banned[mask[banned % max(m, 1)]], mask=mask)

    def taken(self) -> Places:
        """Banned places of each query that it could list otherwise, [n_queries]."""
        return np.bincount(self.banned // max(self.m, 1), minlength=self.n_queries)

    def pairs(self) -> tuple[Places, Places]:
        """Every pair that an `allowed` list leaves."""
        if self.allowed is None:
            raise ValueError("pairs are listed only where lists are allowed")
        left = self.allowed[~_among(self.allowed, self.banned)]
        return left // max(self.m, 1), left % max(self.m, 1)

    def eligible(self) -> Places:
        """Places that each query may list, [n_queries]."""
        if self.allowed is not None:
            return np.bincount(self.pairs()[0], minlength=self.n_queries)
        return (self.m if self.mask is None else int(self.mask.sum())) - self.taken()

    def passes(self, owners: Places, places: Places) -> Mask:
        """Whether each pair may be listed."""
        keys = owners * self.m + places
        passed = ~_among(keys, self.banned)
        if self.allowed is not None:
            passed &= _among(keys, self.allowed)
        if self.mask is not None:
            passed &= self.mask[places]
        return passed


def _keys(candidates: Candidates, lists: Sequences) -> Places:
    lists = candidates.places(lists)
    return np.unique(lists.owners().astype(np.int64) * len(candidates) + lists.values)


def _among(keys: Places, members: Places) -> Mask:
    """Whether each key is one of the sorted members."""
    if not len(members):
        return np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(members, keys), len(members) - 1)
    found: Mask = members[at] == keys
    return found


def _check_finite(vectors: Vectors, rows: NDArray[np.integer], name: str) -> None:
    if np.isfinite(vectors.sum(dtype=np.float64)):  # one NaN or inf is enough to spoil the sum
        return
    wrong = np.asarray(rows)[~np.isfinite(vectors).all(axis=1)]
    raise DataError(
        f"{len(wrong)} of {len(vectors)} {name} have NaN or infinite values, first: rows "
        f"{first(wrong[:4].tolist())}: train again with a lower learning rate"
    )
