"""Users who have a vector of their own beside their history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors, offsets_of
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.protocols import Arrays
from recembed.training.towers.settings import Users


@dataclass(frozen=True, eq=False)
class People:
    """ids: who they are. vectors float32 [n, dim]: what is added to the vector of each."""

    ids: Vocabulary
    vectors: Vectors

    @classmethod
    def of(cls, users: Vocabulary, vectors: Vectors) -> "People":
        """Those of the users of whom anything was learned."""
        there = np.flatnonzero(vectors.any(axis=1))
        return cls(users.select(there), vectors[there])

    def added(self, histories: Interactions) -> Vectors:
        """What is added to each history's vector, [n_users, dim]; zeros where nobody is known."""
        rows = histories.rows_among(self.ids)
        found = np.zeros((len(rows), self.vectors.shape[1]), np.float32)
        found[rows >= 0] = self.vectors[rows[rows >= 0]]
        return found

    def without(self, users: Vocabulary) -> "People":
        """All but these users."""
        there = np.flatnonzero(users.rows(self.ids.ids) < 0)
        return People(self.ids.select(there), self.vectors[there])

    def arrays(self) -> Arrays:
        """As numbers: text as its UTF-8 bytes, one id after another."""
        if self.ids.is_int:
            return {"vectors": self.vectors, "ids": self.ids.ids.to_numpy()}
        texts = [text.encode() for text in self.ids.ids.to_pylist()]
        flat = np.frombuffer(b"".join(texts), np.uint8)
        offsets = offsets_of(np.array([len(text) for text in texts], np.int64))
        return {"vectors": self.vectors, "text": flat, "offsets": offsets}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> "People":
        """From `arrays()`."""
        vectors = arrays["vectors"]
        if "ids" in arrays:
            return cls(Vocabulary(arrays["ids"], "user"), vectors)
        offsets, flat = (np.ascontiguousarray(arrays[name]) for name in ("offsets", "text"))
        buffers = (pa.py_buffer(offsets), pa.py_buffer(flat))
        texts = pa.LargeStringArray.from_buffers(len(vectors), *buffers)
        return cls(Vocabulary(texts, "user"), vectors)


def about_users(log: Log, setting: Users) -> sp.csr_matrix | None:
    """User x (id of those with events, category), float32; None where neither is asked for.

    A user's categories weigh 1 in all; one whom the user table lacks has none.

    Raises: DataError without a user table or a column, or where nobody has anything in any.
    """
    if not setting:
        return None
    n_users = log.interactions.n_users
    blocks = []
    if setting.ids:
        own = np.flatnonzero(log.interactions.events.sizes)
        ones = np.ones(len(own), np.float32)
        blocks.append(sp.csr_matrix((ones, (own, np.arange(len(own)))), (n_users, len(own))))
    if setting.categories:
        blocks.append(_categories(log, setting.categories))
    both: sp.csr_matrix = sp.hstack(blocks, format="csr")
    return both


def _categories(log: Log, names: tuple[str, ...]) -> sp.csr_matrix:
    if log.users is None:
        raise DataError(f"users.categories {', '.join(names)} need a user table (--users)")
    rows, meanings = log.users.categories(names)
    if not meanings:
        raise DataError(
            f"no user has anything in {', '.join(names)} of the user table: leave it out"
        )
    share = np.repeat(1 / np.maximum(rows.sizes, 1), rows.sizes).astype(np.float32)
    return sp.csr_matrix((share, rows.values, rows.offsets), (len(rows), len(meanings)))
