"""What a run has of its items' texts: their vectors, and where these place items without events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors, unit
from recembed.data.catalogue import Catalogue, textual
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.models.content_head import ContentHead, nearest
from recembed.models.nested import part_of, under
from recembed.protocols import THIS_MACHINE, Arrays, FittedVectors, Habitual, Machine, VectorModel
from recembed.search.exact import ExactIndex

ENCODER, TEXTS = "encoder", "texts"  # files of the run
FACT = "text"  # what they are, among the run's facts: the encoder's model and setting, columns
TABLES = ("items", "neighbours")  # of a vector model


def texts_of(about: Catalogue, columns: tuple[str, ...]) -> list[str]:
    """The text of each item, [n_items]: its columns one after another; "" where it has nothing.

    Raises: DataError if there is no such column, or it holds no text.
    """
    parts = []
    for name in columns:
        owner, values = about.values(name)
        if not textual(values.type):
            raise DataError(f"column {name!r} holds {values.type}, not text: name another")
        found: list[list[str]] = [[] for _ in range(len(about.ids))]
        for row, value in zip(owner.tolist(), values.to_pylist(), strict=True):
            found[row].append(value)
        parts.append([", ".join(each) for each in found])
    return [". ".join(filter(None, each)) for each in zip(*parts, strict=True)]


def text_columns(about: Catalogue) -> tuple[str, ...]:
    """The title and what most likely is the category.

    Raises: DataError that lists the columns there are, if it is neither.
    """
    likely = tuple(name for name in (about.title, about.likely_category()) if name is not None)
    if not likely:
        raise DataError(
            "the item table has neither a title nor categories: name the columns that items are "
            f"described by (--text) among {', '.join(about.table.column_names)}"
        )
    return likely


@dataclass(frozen=True, eq=False)
class WithTexts:
    """A vector model with more items: users are where the model places them, by its own items.

    A history without any of its own is read as if those nearest to what it has stood there.
    """

    model: FittedVectors
    items: Embeddings
    neighbours: Embeddings
    machine: Machine = THIS_MACHINE

    @property
    def own(self) -> Mask:
        """Items that the model itself knows, [n_items]."""
        return self.model.items.known

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]."""
        owners = histories.events.owners()
        told = np.bincount(owners[self.own[histories.rows]], minlength=histories.n_users) > 0
        lacking = ~told[owners] & self.items.known[histories.rows]
        if not lacking.any():
            return self.model.users(histories)
        rows = histories.rows.copy()
        rows[lacking] = self._nearest(rows[lacking])
        events = Sequences(rows, histories.events.offsets)
        return self.model.users(replace(histories, events=events))

    def raises(self, histories: Interactions) -> sp.csr_matrix | None:
        """What the model adds for habits."""
        return self.model.raises(histories) if isinstance(self.model, Habitual) else None

    def _nearest(self, rows: Rows) -> Rows:
        """The item of the model's own that is nearest to each of these, [len(rows)]."""
        each, back = np.unique(rows, return_inverse=True)
        nearest: Rows = self._near.search(self.neighbours.vectors[each], 1).rows[back, 0]
        return nearest

    @cached_property
    def _near(self) -> ExactIndex:
        return ExactIndex(replace(self.neighbours, known=self.own, metric="cosine"), self.machine)

    def arrays(self) -> Arrays:
        """Of the model alone: the rest is a file of its own."""
        return self.model.arrays()


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """vectors float32 [n_items, d], of length 1: of each item's text; zeros where nothing is known.

    Of a vector model there are heads, which place an item by its text, and tables, the model's own
    where it knows an item; both by name (TABLES; without "neighbours" these are the items). known
    [n_items]: what the tables have; trained [n_trained]: the rows that heads learned from.
    """

    vectors: Vectors
    heads: Mapping[str, ContentHead]
    tables: Mapping[str, Vectors]
    known: Mask
    trained: Rows

    @classmethod
    def of(
        cls, vectors: Vectors, model: VectorModel | None, machine: Machine = THIS_MACHINE
    ) -> "ItemTexts":
        """Learn from the items that the model knows, and place the others.

        model: None where there are no vectors. Raises: DataError if there is too little to learn.
        """
        vectors = unit(vectors)
        if model is None:
            nobody = np.zeros(len(vectors), np.bool_)
            return cls(vectors, {}, {}, nobody, np.zeros(0, np.int32))
        known = model.items.known
        trained = np.flatnonzero(known & vectors.any(axis=1)).astype(np.int32)
        if len(trained) < 2:
            raise DataError(
                f"the encoder knows something of {len(trained)} of {known.sum()} trained items, "
                "and 2 are the least to learn from: name other columns (--text), see whether the "
                "ids of the item table are those of the log, or train another encoder"
            )
        tables = {name: table.vectors for name, table in _tables(model).items()}
        heads = {
            name: ContentHead.of(vectors[trained], table[trained]) for name, table in tables.items()
        }
        return cls(vectors, heads, tables, known, trained)._placing(0, machine)

    def grown(
        self, vectors: Vectors, model: VectorModel | None, machine: Machine = THIS_MACHINE
    ) -> "ItemTexts":
        """With later items: vectors [n, d] of their texts, and the model that has them all."""
        start, whole = len(self.vectors), np.concatenate([self.vectors, unit(vectors)])
        if model is None:
            return replace(self, vectors=whole, known=np.zeros(len(whole), np.bool_))
        tables = {
            name: np.concatenate([table, getattr(model, name).vectors[start:]])
            for name, table in self.tables.items()
        }
        known = np.concatenate([self.known, model.items.known[start:]])
        return replace(self, vectors=whole, tables=tables, known=known)._placing(start, machine)

    def _placing(self, start: int, machine: Machine) -> "ItemTexts":
        """With a place for items from `start` on that have a text and none."""
        lacking = ~self.known & self.vectors.any(axis=1)
        lacking[:start] = False
        if not lacking.any():
            return self
        trained, texts = self.vectors[self.trained], self.vectors[lacking]
        near, tables = nearest(texts, trained, machine), {}
        for name, head in self.heads.items():
            table = self.tables[name].copy()
            table[lacking] = head.placed(texts, near, trained, table[self.trained])
            tables[name] = table
        return replace(self, tables=tables, known=self.known | lacking)

    def arrays(self) -> Arrays:
        """By name, for the run."""
        known = self.known.astype(np.uint8)
        found: Arrays = {"vectors": self.vectors, "known": known, "trained": self.trained}
        for name, head in self.heads.items():
            found |= under(name, {**head.arrays(), "table": self.tables[name]})
        return found

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> "ItemTexts":
        """From `arrays()`; they may be memory-mapped."""
        parts = {name: part_of(name, arrays) for name in TABLES if f"{name}.table" in arrays}
        return cls(
            arrays["vectors"],
            {name: ContentHead.restore(part) for name, part in parts.items()},
            {name: part["table"] for name, part in parts.items()},
            arrays["known"].astype(bool),
            arrays["trained"],
        )

    def beside(self, model: FittedVectors, machine: Machine = THIS_MACHINE) -> WithTexts:
        """The model with the items that their texts place."""
        vocabulary, metric = model.items.vocabulary, model.items.metric
        items = Embeddings(vocabulary, self.tables["items"], self.known, metric)
        if "neighbours" not in self.tables:
            return WithTexts(model, items, items, machine)
        near = replace(items, vectors=self.tables["neighbours"])
        return WithTexts(model, items, near, machine)


def _tables(model: VectorModel) -> dict[str, Embeddings]:
    items, near = model.items, model.neighbours
    same = items.dim == near.dim and np.array_equal(items.vectors, near.vectors)
    return {"items": items} if same else {"items": items, "neighbours": near}
