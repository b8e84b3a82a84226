"""Serving: one object that answers from a run, by the very ranker that was evaluated."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Id, Vocabulary
from recembed.errors import DataError, first
from recembed.models.item_knn import ItemKNNModel
from recembed.models.ranker import WithFallback
from recembed.models.stored import IndexKind, has_vectors, ranker_of
from recembed.protocols import THIS_MACHINE, Fitted, Machine, Ranker, TopK
from recembed.run.folder import Run
from recembed.run.log import load_log
from recembed.search.exact import ExactIndex
from recembed.search.select import rank

NOW = -1  # the code of the group that is being filled: no group of a log has it

__all__ = ["Recommendation", "Recommendations", "Recommender", "ranker_of"]


@dataclass(frozen=True)
class Recommendation:
    """One item of a list; a higher score is better. title: None where the run has no titles."""

    item: Id
    score: float
    title: str | None


@dataclass(frozen=True)
class Recommendations(Sequence[Recommendation]):
    """A list, best first. reason: "model", or why it is another list. note: what else to know."""

    items: tuple[Recommendation, ...]
    reason: str
    note: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, at: int) -> Recommendation: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Recommendation, ...]: ...
    def __getitem__(self, at: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        return self.items[at]

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        items = [asdict(item) for item in self.items]
        return {"items": items, "reason": self.reason, "note": self.note}


@dataclass(frozen=True, eq=False)
class Recommender:
    """Answers from a run. log: all events of the run, the held-out ones too."""

    log: Log
    ranker: Ranker
    model: Fitted
    repeats: bool
    machine: Machine = THIS_MACHINE

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        index: IndexKind | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> "Recommender":
        """From a run folder. index: None is the index the run has, exact search where it has none.

        Raises: RunError if the run is not whole, or has no such index.
        """
        opened = Run.open(run, verify=False)  # only what is read here is checked byte by byte
        loaded = load_log(opened)
        ranker, model = ranker_of(opened, index=index, machine=machine, loaded=loaded)
        return cls(loaded[0], ranker, model, bool(opened.facts.get("repeats", False)), machine)

    def recommend(
        self,
        user: Id,
        k: int = 10,
        *,
        basket: Iterable[Id] = (),
        exclude_seen: bool | None = None,
        allow: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
    ) -> Recommendations:
        """The best k items for a user of the log, from all of their events.

        basket: what the user holds right now; it ends the history, and is never recommended.
        exclude_seen: leave out what the user has touched; None: as in the run's evaluation, where
        its data decide (groceries are bought again, films are not seen again). allow: only these
        items. Somebody unknown gets popular items; `reason` says so.

        Raises: DataError if k is below 1.
        """
        events = self.log.interactions
        row = int(events.users.rows([user])[0])
        history = self._history([]) if row < 0 else events.take_users(np.array([row]))
        held = _listed(basket, "basket")
        if held:
            history = _then(history, self._history(held))
        why = f"user {user!r} is unknown" if row < 0 and not held else None
        filters = _Filters(exclude_seen, allow, [*_listed(exclude, "excluded ids"), *held])
        return self._answer(history, k, why, filters)

    def recommend_for(
        self,
        history: Iterable[Id],
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        allow: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
    ) -> Recommendations:
        """The best k items for somebody with this history of item ids, oldest first.

        Where the run's log has groups, the history is one of them: a basket without an order.
        The other arguments: see recommend.

        Raises: DataError if an item is unknown, or k is below 1.
        """
        ids = _listed(history, "history")
        return self._answer(self._history(ids), k, None, _Filters(exclude_seen, allow, exclude))

    def similar(self, item: Id, k: int = 10) -> Recommendations:
        """The k items nearest to one: by cosine of vectors, or by the model's own similarity.

        Raises: DataError if the item is unknown or was never trained, the model compares no items,
        or k is below 1.
        """
        row = int(self.log.interactions.items.known_rows([item])[0])
        if not self._near.known[row]:
            raise DataError(
                f"item {item!r} is known but was never trained: it has no event, or too few, in "
                "the part of the log that was trained on"
            )
        return self._list(self._near.to(row, k), k, "model", [])

    @cached_property
    def _near(self) -> "_ByVectors | _ByModel":
        if has_vectors(self.model):
            return _ByVectors(self.model.neighbours, self.machine)
        if isinstance(self.model, ItemKNNModel):
            return _ByModel(self.model)
        raise DataError("the run's model compares no items: train item2vec, als or item-knn")

    def _history(self, ids: list[Id]) -> Interactions:
        log = self.log.interactions
        rows = log.items.known_rows(ids)
        events = Sequences(rows, np.array([0, len(rows)], np.int64))
        group = None if log.group is None else np.full(len(rows), NOW, np.int64)
        guest, nobody = Vocabulary.numbered(1, "guest"), pa.nulls(1)
        return Interactions(guest, log.items, events, group=group, order="position", people=nobody)

    def _answer(
        self, history: Interactions, k: int, unknown: str | None, filters: "_Filters"
    ) -> Recommendations:
        seen = not self.repeats if filters.exclude_seen is None else filters.exclude_seen
        banned, notes = self._rows(filters.exclude, "excluded")
        allowed: Mask | None = None
        if filters.allow is not None:
            rows, more = self._rows(filters.allow, "allowed")
            notes += more
            allowed = np.zeros(len(self.log.interactions.items), np.bool_)
            allowed[rows] = True
        rows = np.union1d(banned, history.rows if seen else banned).astype(np.int32)
        exclude = Sequences(rows, np.array([0, len(rows)], np.int64))
        top = self.ranker.top_k(history, k, exclude=exclude, allow=allowed)
        return self._list(top, k, self._reason(history, unknown), notes)

    def _rows(self, ids: Iterable[Id], what: str) -> tuple[Rows, list[str]]:
        """Rows of the ids that are known, and a note on those that are not."""
        listed = _listed(ids, f"{what} ids")
        rows = self.log.interactions.items.rows(listed)
        lost = [id for id, row in zip(listed, rows, strict=True) if row < 0]
        note = f"{len(lost)} of {len(rows)} {what} items are unknown, first: {first(lost[:4])}"
        return rows[rows >= 0], [note] if lost else []

    def _reason(self, history: Interactions, unknown: str | None) -> str:
        placed = not isinstance(self.ranker, WithFallback) or self.ranker.places(history).all()
        if unknown is None and placed:
            return "model"
        return f"{unknown or 'the history has no item that the model knows'}: popular items"

    def _list(self, top: TopK, k: int, reason: str, notes: list[str]) -> Recommendations:
        """The first list of `top` with ids and titles."""
        rows = top.rows[0][top.rows[0] >= 0]
        if len(rows) < k:
            notes = [*notes, f"{len(rows)} items instead of {k}: no more are eligible"]
        ids = self.log.interactions.items.take(rows).to_pylist()
        catalogue = self.log.items
        titles = [None] * len(rows) if catalogue is None else catalogue.titles(rows)
        scores = top.scores[0].tolist()
        items = zip(ids, scores[: len(ids)], titles, strict=True)
        listed = tuple(
            Recommendation(id, score, None if title is None else str(title))
            for id, score, title in items
        )
        return Recommendations(listed, reason, "; ".join(notes) or None)


@dataclass(frozen=True)
class _Filters:
    exclude_seen: bool | None
    allow: Iterable[Id] | None
    exclude: Iterable[Id]


class _ByVectors:
    """Neighbours by the cosine of vectors."""

    def __init__(self, vectors: Embeddings, machine: Machine) -> None:
        self.vectors, self.known = vectors.vectors, vectors.known
        self.index = ExactIndex(replace(vectors, metric="cosine"), machine)

    def to(self, row: int, k: int) -> TopK:
        itself = Sequences.of([[row]])
        return self.index.search(self.vectors[row : row + 1], k, exclude=itself)


class _ByModel:
    """Neighbours by the similarity that item-kNN keeps; where it is 0 they are none.

    The model's row i lists whose neighbour item i is; its own neighbours are in column i.
    """

    def __init__(self, model: ItemKNNModel) -> None:
        self.neighbours, self.known = model.similarity.T.tocsr(), model.known

    def to(self, row: int, k: int) -> TopK:
        scores: Vectors = self.neighbours[row].toarray()  # [1, n_items]
        known = self.known & (scores[0] > 0)
        return rank(lambda _: scores, 1, k, known=known, exclude=Sequences.of([[row]]))


def _then(past: Interactions, now: Interactions) -> Interactions:
    """One user's history with the events of `now` after it; they weigh 1 and have no time."""
    rows = np.concatenate([past.rows, now.rows])
    events = Sequences(rows, np.array([0, len(rows)], np.int64))
    group, weight = past.group, past.weight
    if group is not None and now.group is not None:
        group = np.concatenate([group, now.group])
    if weight is not None:
        weight = np.concatenate([weight, np.ones(len(now), np.float32)])
    return replace(
        past, events=events, group=group, weight=weight, time=None, part=None, order="position"
    )


def _listed(ids: Iterable[Id], what: str) -> list[Id]:
    if isinstance(ids, (str, bytes)):
        raise DataError(f"{what}: a list of item ids is needed, not the text {ids!r}")
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
