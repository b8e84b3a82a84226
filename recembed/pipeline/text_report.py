"""The report on an encoder: tables to read, and JSON values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recembed.metrics.intervals import Interval
from recembed.report.lines import aligned
from recembed.report.plain import to_plain
from recembed.text.evaluation import Likeness, Retrieval, Space, Tally
from recembed.text.evaluation_labels import Grouping

LIKENESS = ("scored pairs", "pairs", "spearman", "pearson", "alignment", "uniformity")
RETRIEVAL = (
    *("retrieval", "queries", "among", "recall@1", "recall@10", "mrr@10"),
    *("alignment", "uniformity"),
)
GROUPING = ("labels", "texts", "labels", "v-measure", "silhouette", "accuracy", "most frequent")
SPACE_MEANS = "alignment, uniformity: lower is better"
RECALL_MEANS = "recall@k: the share of a query's partners that are among its k nearest texts"
GROUPING_MEANS = (
    "v-measure, silhouette, accuracy: higher is better; most frequent: the accuracy of always "
    "saying the commonest label"
)


@dataclass(frozen=True)
class TextReport:
    """What an encoder is worth on each test; intervals are of 95 %."""

    run: str
    model: str
    likeness: tuple[Likeness, ...] = ()
    retrieval: tuple[Retrieval, ...] = ()
    grouping: tuple[Grouping, ...] = ()

    def table(self) -> str:
        """As text."""
        tables = [
            [LIKENESS, *map(_likeness, self.likeness)],
            [RETRIEVAL, *map(_retrieval, self.retrieval)],
            [GROUPING, *map(_grouping, self.grouping)],
        ]
        parts = [aligned(lines) for lines in tables if len(lines) > 1]
        notes = [note for test in self.tests for note in _notes(test.test, test.tally)]
        notes += [
            f"{one.test}: {one.rare:,} of rare labels, left out"
            for one in self.grouping
            if one.rare
        ]
        meant = [
            *([SPACE_MEANS] if self.likeness or self.retrieval else []),
            *([RECALL_MEANS] if self.retrieval else []),
            *([GROUPING_MEANS] if self.grouping else []),
        ]
        return "\n\n".join([*parts, *("\n".join(lines) for lines in (meant, notes) if lines)])

    @property
    def tests(self) -> tuple[Likeness | Retrieval | Grouping, ...]:
        """All of them."""
        return (*self.likeness, *self.retrieval, *self.grouping)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        told: dict[str, Any] = to_plain(self)
        return told


def _likeness(one: Likeness) -> tuple[str, ...]:
    values = _cells(one.spearman, one.pearson, *_space(one.space))
    return (one.test, f"{one.pairs:,}", *values)


def _retrieval(one: Retrieval) -> tuple[str, ...]:
    values = _cells(one.recall_at_1, one.recall_at_10, one.mrr_at_10, *_space(one.space))
    return (one.test, f"{one.queries:,}", f"{one.candidates:,}", *values)


def _grouping(one: Grouping) -> tuple[str, ...]:
    values = _cells(one.v_measure, one.silhouette, one.accuracy, one.most_frequent)
    return (one.test, f"{one.texts:,}", f"{one.labels:,}", *values)


def _space(space: Space) -> list[float]:
    return [space.alignment, space.uniformity]


def _cells(*values: Interval | float) -> list[str]:
    return [_cell(value) for value in values]


def _cell(value: Interval | float) -> str:
    mean = value.mean if isinstance(value, Interval) else value
    if math.isnan(mean):
        return "-"
    return str(value) if isinstance(value, Interval) else f"{value:.4f}"


def _notes(test: str, tally: Tally) -> Iterable[str]:
    told = tally.told()
    return [f"{test}: of {tally.texts:,} texts {told}"] if told else []
