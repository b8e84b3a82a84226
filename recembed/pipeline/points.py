"""What a backtest found, point by point and over all."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recembed.metrics.intervals import Interval
from recembed.report.document import Comparison
from recembed.report.plain import to_plain


@dataclass(frozen=True)
class Point:
    """One window. rule: what is held out, with its moments. models: name -> the metric there."""

    rule: str
    n_cases: int
    n_clusters: int
    models: Mapping[str, Interval]

    @property
    def leader(self) -> str:
        """The best model of this window."""
        return max(self.models, key=lambda name: self.models[name].mean)


@dataclass(frozen=True)
class Backtest:
    """Models trained anew at each point in time, and asked what came in the window after it.

    models: name -> the metric over the cases of all points, resampled by users with their cases of
    all points. means: name -> the mean of the points' means, where each point weighs the same.
    comparisons: every pair over the cases of all points, the leader's first.
    """

    metric: str
    window: str
    points: tuple[Point, ...]
    models: Mapping[str, Interval]
    means: Mapping[str, float]
    comparisons: tuple[Comparison, ...]
    n_cases: int
    n_clusters: int
    notes: tuple[str, ...] = ()

    @property
    def ranking(self) -> list[str]:
        """The models, best over all cases first."""
        return sorted(self.models, key=lambda name: -self.models[name].mean)

    @property
    def verdict(self) -> str:
        """Who leads over all cases, how sure that is, and at how many points it holds."""
        leader, size = self.ranking[0], f"({self.n_cases:,} cases of {self.n_clusters:,} users)"
        if not self.comparisons:
            told = f"{leader} has {self.metric} {self.models[leader]}"
            return f"{told} {size}; there is no other to compare."
        first = sum(point.leader == leader for point in self.points)
        return (
            f"{self.comparisons[0]} {size}. {leader} is first at {first} of {len(self.points)} "
            "points."
        )

    def to_json(self) -> str:
        """The fields by name, and the verdict; ends of intervals that are not known are null."""
        return json.dumps({"verdict": self.verdict, **to_plain(self)}, indent=1) + "\n"

    def to_markdown(self) -> str:
        """The verdict, the table over all points, and what else is to be known."""
        told = [f"# Backtest\n\n{self.verdict}", "\n".join(self._table())]
        told += ["\n".join(f"- point {i}: {text}" for i, text in enumerate(self._windows(), 1))]
        told += ["\n".join(f"- {each}" for each in map(str, self.comparisons))]
        told += ["\n".join(f"- {each}" for each in self.notes)]
        return "\n\n".join(text for text in told if text) + "\n"

    def _windows(self) -> Iterator[str]:
        for point in self.points:
            yield f"{point.rule}, {point.n_cases:,} cases of {point.n_clusters:,} users"

    def _table(self) -> Iterator[str]:
        names = [f"point {i}" for i in range(1, len(self.points) + 1)]
        yield _line(f"{self.metric}", "all cases", "mean of points", *names)
        yield "|" + " --- |" * (3 + len(names))
        for name in self.ranking:
            each = [str(point.models[name]) for point in self.points]
            yield _line(name, str(self.models[name]), f"{self.means[name]:.4f}", *each)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
