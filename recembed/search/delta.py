"""An index and what came after it: items that it was not built with are searched exactly."""

from dataclasses import dataclass, replace

import numpy as np

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.protocols import THIS_MACHINE, Index, Machine, TopK
from recembed.search.exact import ExactIndex
from recembed.search.select import best_pairs


@dataclass(frozen=True, eq=False)
class DeltaIndex:
    """Two indices of different items over one vocabulary, whose scores are true dot products."""

    built: Index
    added: Index

    @classmethod
    def of(
        cls, built: Index, embeddings: Embeddings, added: Mask, machine: Machine = THIS_MACHINE
    ) -> "DeltaIndex":
        """built: of the other known items, with rows of the same vocabulary. added [n_items]."""
        more = replace(embeddings, known=embeddings.known & added)
        return cls(built, ExactIndex(more, machine))

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """The best of both; `tied` is unknown (-1) where the built index does not tell it."""
        parts = [
            index.search(queries, k, exclude=exclude, allow=allow)
            for index in (self.built, self.added)
        ]
        listed = np.hstack([part.rows for part in parts]) >= 0
        owners = np.nonzero(listed)[0]
        rows, scores = (
            np.hstack([getattr(part, name) for part in parts])[listed]
            for name in ("rows", "scores")
        )
        top = best_pairs(owners, rows, scores, len(queries), parts[0].k)
        unknown = np.any([part.tied < 0 for part in parts], axis=0)
        tied = np.sum([_as_low(part, _lowest(top)) for part in parts], axis=0)
        top.tied[:] = np.where(unknown, -1, tied)
        return top


def _as_low(part: TopK, lowest: Vectors) -> Rows:
    """Eligible items of a part whose score is the lowest that is listed, [n]."""
    listed = (part.scores == lowest[:, None]).sum(axis=1, where=part.rows >= 0)
    return np.where(_lowest(part) == lowest, part.tied, listed).astype(np.int32)


def _lowest(top: TopK) -> Vectors:
    """The score that each list ends with, NaN where it is empty."""
    there = top.rows >= 0
    lowest = np.where(there, top.scores, np.inf).min(axis=1, initial=np.inf)
    return np.where(there.any(axis=1), lowest, np.nan).astype(np.float32)
