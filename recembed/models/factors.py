"""The vector model that all factorizations share: item factors, and users folded in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.vocabulary import Vocabulary
from recembed.models.foldin import spread_of
from recembed.models.units import trained_events
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.training.recency import Recency


class Folding(Protocol):
    """The setting of a factorization, which knows how a history becomes a user."""

    @property
    def dim(self) -> int:
        """Number of factors; a column of `items` beyond them is the items' bias."""

    @property
    def recency(self) -> Recency:
        """How a history is weighted."""

    def place(self, model: "FactorModel", weights: sp.csr_matrix) -> Vectors:
        """Users of weighted histories [n_users, n_items] of items that `model` knows."""


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Item factors on their principal axes, and what is needed to fold a history in."""

    items: Embeddings
    setting: Folding
    machine: Machine = THIS_MACHINE

    @classmethod
    def restore(
        cls,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        setting: Folding,
        machine: Machine,
    ) -> "FactorModel":
        """From `arrays()`; the factors may be memory-mapped."""
        known = arrays["known"].astype(bool)
        return cls(Embeddings(items, arrays["factors"], known), setting, machine)

    @property
    def neighbours(self) -> Embeddings:
        """The item factors."""
        return replace(self.items, vectors=self.items.vectors[:, : self.setting.dim])

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Of the item factors, [dim]."""
        return spread_of(self.neighbours.vectors)

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim], computed the same way for known and new users."""
        weights = self.setting.recency.matrix(trained_events(histories, self.items.known))
        return self.setting.place(self, weights)

    def arrays(self) -> Arrays:
        return {"factors": self.items.vectors, "known": self.items.known.astype(np.uint8)}
