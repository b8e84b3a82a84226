"""What a ranker answers to all cases, block by block, reduced to what is measured of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import PerCase, Rows, Vectors, blocks_of, unit
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import DataError, first
from recembed.evaluation.cases import Cases
from recembed.metrics import beyond
from recembed.metrics.accuracy import METRICS
from recembed.metrics.names import metric_at
from recembed.metrics.places import Places, holds, places_of
from recembed.progress import Progress
from recembed.protocols import Ranker, TopK

LISTED = 64  # bytes of a place of a list while it is measured


@dataclass(frozen=True)
class Measure:
    """What is measured. repeats: whether items of the history may be listed again (groceries: yes,
    films: no). metric: the one that decides, recall at the first k unless named. memory: bytes for
    the histories and lists of one block of cases.

    Raises: DataError if a k is below 1, or the metric is unknown or at another k.
    """

    repeats: bool
    ks: Sequence[int] = (10, 20, 50)
    metric: str | None = None
    memory: int = 1 << 30

    def __post_init__(self) -> None:
        wrong = [k for k in self.ks if not isinstance(k, Integral) or k < 1]
        if wrong or not self.ks:
            raise DataError(f"k must be at least 1, not {first(wrong) if wrong else 'missing'}")
        if self.metric is not None and metric_at(self.metric)[1] not in self.ks:
            there = ", ".join(map(str, self.ks))
            raise DataError(f"{self.metric} is not measured: add its k ({there} are)")

    def within(self, n_items: int) -> "Measure":
        """The same with every k once and none above the catalogue."""
        ks = tuple(dict.fromkeys(min(int(k), n_items) for k in self.ks))
        name, k = metric_at(self.deciding)
        return replace(self, ks=ks, metric=f"{name}@{min(k, n_items)}")

    @property
    def deciding(self) -> str:
        """The metric that decides, named or not."""
        return self.metric or f"{next(iter(METRICS))}@{self.ks[0]}"


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """What lists are compared with, the same for every model.

    events int64 [n_items]: training events of each item. vectors: whose cosine tells how alike two
    items are. categories: those of each item.
    """

    events: NDArray[np.int64]
    vectors: Embeddings | None = None
    categories: Sequences | None = None

    def values(self, rows: Rows, histories: Sequences) -> dict[str, PerCase]:
        """What lists [n, k] are worth beside accuracy, [n] each, nan where it is not defined."""
        found = {
            "novelty": beyond.novelty(rows, self.events),
            "popularity": beyond.popularity(rows, self.events),
            "popularity_lift": beyond.popularity_lift(rows, histories, self.events),
        }
        if self.vectors is not None:
            found["distance_by_vector"] = beyond.distance_by_vector(
                rows, self._directions, self.vectors.known
            )
        if self.categories is not None:
            found["distance_by_category"] = beyond.distance_by_category(rows, self.categories)
        return found

    @cached_property
    def _directions(self) -> Vectors:
        assert self.vectors is not None
        return unit(self.vectors.vectors)


@dataclass(frozen=True, eq=False)
class Answers:
    """places: of the targets. beyond: "novelty@10" -> [n_cases]. counts: k -> how often each item
    is listed, int64 [n_items]. tied_share: None where the ranker does not say.
    """

    places: Places
    beyond: dict[str, PerCase]
    counts: dict[int, NDArray[np.int64]]
    tied_share: float | None
    seconds: float


def ask(
    name: str,
    ranker: Ranker,
    cases: Cases,
    measure: Measure,
    yardsticks: Yardsticks | None,
    progress: Progress,
) -> Answers:
    """The answers to all cases; at no time more than `measure.memory` bytes of lists and histories.

    yardsticks: None where nothing beside accuracy is asked for.

    Raises: DataError if a list breaks the ranker's promise.
    """
    ks, n, n_items = measure.ks, len(cases), cases.n_items
    depth = max(ks)
    counts = {k: np.zeros(n_items, np.int64) for k in ks}
    above, tied, beside = [], [], dict[str, list[PerCase]]()
    level = np.empty(n, np.int32)
    seconds = 0.0
    sizes = LISTED * depth + cases.history_bytes
    with progress.task(f"evaluate {name}", n, "cases") as task:
        for block in blocks_of(sizes, measure.memory // 4):
            question = _Question(ranker, cases, block, measure.repeats)
            begin = time.perf_counter()
            top = question.top_k(depth)
            seconds += time.perf_counter() - begin
            _check(name, top, (block.stop - block.start, depth), n_items, question.exclude)
            found = places_of(top, question.targets, question.levels)
            above.append(found.above)
            tied.append(found.tied)
            level[block] = top.tied
            for k in ks:
                rows = top.rows[:, :k]
                counts[k] += np.bincount(rows[rows >= 0], minlength=n_items)
                worth = yardsticks.values(rows, question.histories.events) if yardsticks else {}
                for what, values in worth.items():
                    beside.setdefault(f"{what}@{k}", []).append(values)
            task.advance(block.stop - block.start)
    told = level[level >= 0]
    return Answers(
        Places(cases.targets.offsets, np.concatenate(above), np.concatenate(tied), depth),
        {what: np.concatenate(values) for what, values in beside.items()},
        counts,
        float((told > 1).mean()) if len(told) else None,
        seconds,
    )


class _Question:
    """A block of cases, and where their targets stand if they are ranked alone."""

    def __init__(self, ranker: Ranker, cases: Cases, block: slice, repeats: bool) -> None:
        at = np.arange(block.start, block.stop)
        self.ranker = ranker
        self.histories = cases.histories(at)
        self.exclude = cases.exclude(repeats, at)
        self.targets = cases.targets.take(at)

    def top_k(self, k: int) -> TopK:
        """The lists."""
        return self.ranker.top_k(self.histories, k, exclude=self.exclude)

    def levels(self, at: NDArray[np.int64]) -> TopK:
        """Scores of the targets of these cases."""
        targets = self.targets.take(at)
        return self.ranker.top_k(
            self.histories.take_users(at),
            int(targets.sizes.max()),
            exclude=self.exclude.take(at),
            allow=targets,
        )


def _check(name: str, top: TopK, shape: tuple[int, int], n_items: int, exclude: Sequences) -> None:
    """A list that breaks the rules would be measured as if it were good."""
    rows = top.rows
    if rows.shape != shape or top.tied.shape != shape[:1]:
        raise DataError(f"{name} answered {rows.shape} rows where {shape} were asked for")
    if rows.min(initial=0) < -1 or rows.max(initial=-1) >= n_items:
        raise DataError(f"{name} listed rows outside the {n_items} items")
    ordered = np.sort(rows, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise DataError(f"{name} listed an item twice for one case")
    if holds(rows, exclude).any():
        raise DataError(f"{name} listed an excluded item")
