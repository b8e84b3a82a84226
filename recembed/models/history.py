"""The vector model that item2vec and the mean tower share: a user is a weighted mean of items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.vocabulary import Vocabulary
from recembed.models.units import trained_events
from recembed.protocols import Arrays
from recembed.training.recency import Recency


@dataclass(frozen=True, eq=False)
class HistoryModel:
    """Places users by pooling `neighbours` over their history and scores them against `items`."""

    items: Embeddings
    neighbours: Embeddings
    recency: Recency

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        inputs: Vectors,
        outputs: Vectors,
        known: Mask,
        recency: Recency,
    ) -> "HistoryModel":
        """From the table that histories are read through and the table that is retrieved."""
        inputs[~known] = 0
        outputs[~known] = 0
        return cls(
            Embeddings(vocabulary, outputs, known),
            Embeddings(vocabulary, inputs, known),
            recency,
        )

    @classmethod
    def restore(
        cls, items: Vocabulary, arrays: Mapping[str, NDArray[Any]], recency: Recency
    ) -> "HistoryModel":
        """From `arrays()`; the vectors may be memory-mapped."""
        known = arrays["known"].astype(bool)
        return cls(
            Embeddings(items, arrays["outputs"], known),
            Embeddings(items, arrays["inputs"], known),
            recency,
        )

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]."""
        histories = trained_events(histories, self.neighbours.known)
        return self.recency.pool(histories, self.neighbours.vectors)

    def arrays(self) -> Arrays:
        return {
            "inputs": self.neighbours.vectors,
            "outputs": self.items.vectors,
            "known": self.items.known.astype(np.uint8),
        }
