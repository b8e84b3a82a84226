"""What a trained two-tower model is in a run: a table of items and a user tower, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors, unit
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.vocabulary import Vocabulary
from recembed.models.nested import part_of, under
from recembed.models.people import People
from recembed.models.tower_math import NumpyTower
from recembed.models.units import trained_events
from recembed.protocols import Arrays
from recembed.training.habits import Habits
from recembed.training.rounds import Training
from recembed.training.towers.buckets import Histories
from recembed.training.towers.settings import Tower

NO_HABITS = Habits()
MOST = 1 << 10  # events placed at once: what a layer makes of them stays in the cache


@dataclass(frozen=True, eq=False)
class TowerModel:
    """Places users by the tower and scores them against the table it reads them through.

    bias [n_items]: added to the scores. people: users with a vector of their own. reach: newest
    events that are read, None: all. score: as it was trained: for "cosine", all vectors that come
    out have length 1, so that their dot product is the same. training: how it went. content: what
    was learned of columns of the item table: its maps `sparse` and `dense`, and, uint8 [n_items],
    which items it was learned from, `trained`; nothing where there were none. shares [n_items]: of
    each item in the events of training, which habits are weighed against.
    """

    table: Embeddings
    bias: Vectors | None
    tower: NumpyTower
    people: People | None
    reach: int | None
    score: Literal["dot", "cosine"]
    training: Training | None = None
    content: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    habits: Habits = NO_HABITS
    shares: Vectors | None = None

    @cached_property
    def items(self) -> Embeddings:
        """What is retrieved: the neighbours, with the bias for a last column."""
        if self.bias is None:
            return self.neighbours
        vectors = np.concatenate([self.table.vectors, self.bias[:, None]], axis=1)
        return Embeddings(self.table.vocabulary, vectors, self.table.known)

    @cached_property
    def neighbours(self) -> Embeddings:
        """The table; at length 1 for "cosine"."""
        if self.score == "dot":
            return self.table
        return Embeddings(
            self.table.vocabulary, unit(self.table.vectors), self.table.known, "cosine"
        )

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]; zeros where nothing is known."""
        histories = _newest(trained_events(histories, self.table.known), self.reach)
        placed = np.zeros((histories.n_users, self.items.dim), np.float32)
        own = None if self.people is None else self.people.added(histories)
        whole = Histories.of(histories, self.tower.setting)
        for bucket in whole.buckets(MOST, even=True):
            vectors = self.tower(self.table.vectors[histories.rows[bucket.at]], whole, bucket.at)
            if own is not None:
                vectors = vectors + own[bucket.which]
            if self.score == "cosine":
                vectors = unit(vectors)
            placed[bucket.which, : self.table.dim] = vectors
            placed[bucket.which, self.table.dim :] = 1
        return placed

    def raises(self, histories: Interactions) -> sp.csr_matrix | None:
        """What habits add to the scores of a history's own items, [n_users, n_items]."""
        if self.shares is None:
            return None
        read = _newest(trained_events(histories, self.table.known), self.reach)
        return self.habits.raises(read, self.shares)

    def arrays(self) -> Arrays:
        found: Arrays = {
            "table": self.table.vectors,
            "known": self.table.known.astype(np.uint8),
            **under("tower", self.tower.arrays),
        }
        if self.bias is not None:
            found["bias"] = self.bias
        if self.shares is not None:
            found["shares"] = self.shares
        if self.people is not None:
            found |= under("users", self.people.arrays())
        return found | under("content", self.content)

    @classmethod
    def restore(
        cls,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        tower: Tower,
        reach: int | None,
        score: Literal["dot", "cosine"],
        habits: Habits = NO_HABITS,
    ) -> "TowerModel":
        """From `arrays()`; the vectors may be memory-mapped."""
        table = Embeddings(items, arrays["table"], arrays["known"].astype(bool))
        users = part_of("users", arrays)
        return cls(
            table,
            arrays.get("bias"),
            NumpyTower(tower, part_of("tower", arrays)),
            People.restore(users) if users else None,
            reach,
            score,
            content=part_of("content", arrays),
            habits=habits,
            shares=arrays.get("shares"),
        )


def without_users(arrays: Mapping[str, NDArray[Any]], users: Vocabulary, rows: Rows) -> Arrays:
    """The arrays of a model without the vectors of their own that these users have in it."""
    own = part_of("users", arrays)
    if not own:
        return dict(arrays)
    rest = {name: array for name, array in arrays.items() if not name.startswith("users.")}
    people = People.restore(own).without(Vocabulary(users.take(rows), "user"))
    return rest | under("users", people.arrays())


def _newest(histories: Interactions, reach: int | None) -> Interactions:
    """What training saw of histories: their newest events, as if there were no others."""
    sizes = histories.events.sizes
    if reach is None or sizes.max(initial=0) <= reach:
        return histories
    end = np.repeat(histories.events.offsets[1:], sizes)
    return histories.keep(np.arange(len(histories)) >= end - reach)
