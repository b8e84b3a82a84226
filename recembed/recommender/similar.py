"""What is near an item: by the cosine of vectors, or by the model's own similarity."""

from dataclasses import replace
from typing import Protocol

from recembed.arrays import Mask, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.models.item_knn import ItemKNNModel
from recembed.models.stored import has_vectors
from recembed.protocols import Fitted, Machine, TopK
from recembed.search.exact import ExactIndex
from recembed.search.select import rank


class Near(Protocol):
    """Items near an item. known [n_items]: those that it knows."""

    known: Mask

    def to(self, row: int, k: int) -> TopK:
        """The k nearest of one row, without itself."""


def near(model: Fitted, listed: Mask, machine: Machine) -> Near:
    """What a model tells of items alike, of those that are `listed` [n_items].

    Raises: DataError if it tells nothing.
    """
    if has_vectors(model):
        return _ByVectors(model.neighbours, listed, machine)
    if isinstance(model, ItemKNNModel):
        return _ByModel(model, listed)
    raise DataError("the run's model compares no items: train item2vec, two-tower, als or item-knn")


class _ByVectors:
    def __init__(self, vectors: Embeddings, listed: Mask, machine: Machine) -> None:
        self.vectors, self.known = vectors.vectors, vectors.known
        candidates = replace(vectors, metric="cosine", known=vectors.known & listed)
        self.index = ExactIndex(candidates, machine)

    def to(self, row: int, k: int) -> TopK:
        itself = Sequences.of([[row]])
        return self.index.search(self.vectors[row : row + 1], k, exclude=itself)


class _ByModel:
    """By the similarity that item-kNN keeps; where it is 0 items are no neighbours.

    The model's row i lists whose neighbour item i is; its own neighbours are in column i.
    """

    def __init__(self, model: ItemKNNModel, listed: Mask) -> None:
        self.neighbours, self.known = model.similarity.T.tocsr(), model.known
        self.listed = model.known & listed

    def to(self, row: int, k: int) -> TopK:
        scores: Vectors = self.neighbours[row].toarray()  # [1, n_items]
        known = self.listed & (scores[0] > 0)
        return rank(lambda _: scores, 1, k, known=known, exclude=Sequences.of([[row]]))
