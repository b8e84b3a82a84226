"""Inner products as angles: one more column gives all item vectors the same length."""

import numpy as np

from recembed.arrays import Vectors
from recembed.search.candidates import lengths


def augment(vectors: Vectors) -> Vectors:
    """[n, dim] -> [n, dim + 1]: a last column that makes each vector as long as the longest.

    With a 0 appended to the query, the smallest angle is the highest dot product.
    Source: Bachrach et al. 2014, Speeding Up the Xbox Recommender System, theorem 1.
    """
    squares = lengths(vectors) ** 2
    missing = np.sqrt(np.maximum(squares.max(initial=0) - squares, 0))
    return np.column_stack([vectors, missing.astype(np.float32)])


def augment_queries(queries: Vectors) -> Vectors:
    """[q, dim] -> [q, dim + 1]: a last column of zeros."""
    return np.column_stack([queries, np.zeros(len(queries), np.float32)])
