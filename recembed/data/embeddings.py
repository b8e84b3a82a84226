"""Vectors of a vocabulary."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recembed.arrays import Mask, Vectors, unit
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError


@dataclass(frozen=True, eq=False)
class Embeddings:
    """vectors float32 [n, dim]; known bool [n]: a row nobody trained is never returned.

    metric: what the vectors were trained for, "dot" or "cosine".
    """

    vocabulary: Vocabulary
    vectors: Vectors
    known: Mask
    metric: Literal["dot", "cosine"] = "dot"

    def __post_init__(self) -> None:
        n = len(self.vocabulary)
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.known.shape != (n,):
            raise DataError(
                f"{n} ids need vectors [{n}, dim] and known [{n}], "
                f"not {self.vectors.shape} and {self.known.shape}"
            )
        if self.vectors.dtype != np.float32:
            raise DataError(f"vectors are float32, not {self.vectors.dtype}")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    def scored(self) -> Vectors:
        """Vectors whose dot product is the metric: of length 1 for cosine, as they are for dot."""
        if self.metric == "dot":
            return self.vectors
        return unit(self.vectors)
