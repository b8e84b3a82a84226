"""What a trained two-tower model is in a run: a table of items and a user tower, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors, unit
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.vocabulary import Vocabulary
from recembed.models.tower_math import NumpyTower
from recembed.models.units import trained_events
from recembed.protocols import Arrays
from recembed.training.rounds import Training
from recembed.training.towers.buckets import Histories

MOST = 1 << 15  # events placed at once: 8 MiB of numbers at dim 64


@dataclass(frozen=True, eq=False)
class TowerModel:
    """Places users by the tower and scores them against the table it reads them through.

    neighbours: the table; bias [n_items]: added to the scores. score, temperature: as trained: for
    "cosine", items are retrieved at length 1 and users placed at length 1 / temperature.
    """

    neighbours: Embeddings
    bias: Vectors | None
    tower: NumpyTower
    reach: int
    score: Literal["dot", "cosine"]
    temperature: float
    training: Training | None = field(default=None, kw_only=True)

    @cached_property
    def items(self) -> Embeddings:
        """What is retrieved: the table, at length 1 for cosine, with the bias for a last column."""
        table = self.neighbours
        vectors = table.vectors if self.score == "dot" else unit(table.vectors)
        if self.bias is not None:
            vectors = np.concatenate([vectors, self.bias[:, None]], axis=1)
        return Embeddings(table.vocabulary, vectors, table.known)

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]; zeros where nothing is known."""
        histories = trained_events(histories, self.neighbours.known)
        placed = np.zeros((histories.n_users, self.items.dim), np.float32)
        width = self.neighbours.dim
        cut = Histories.for_tower(histories, self.tower.setting, self.reach)
        for bucket in cut.buckets(MOST):
            vectors = self.tower(self.neighbours.vectors[bucket.rows], bucket)
            if self.score == "cosine":
                vectors = unit(vectors) / np.float32(self.temperature)
            placed[bucket.which, :width] = vectors
            placed[bucket.which, width:] = 1
        return placed

    def arrays(self) -> Arrays:
        found = {
            "table": self.neighbours.vectors,
            "known": self.neighbours.known.astype(np.uint8),
            **{f"tower.{name}": array for name, array in self.tower.arrays.items()},
        }
        return found if self.bias is None else {**found, "bias": self.bias}
