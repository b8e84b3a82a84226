"""What an evaluation found, with everything needed to read it and to do it again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from recembed.arrays import Rows
from recembed.errors import DataError
from recembed.metrics.intervals import Interval

FORMAT = 1  # of the JSON; goes up when a key changes its meaning


@dataclass(frozen=True)
class Comparison:
    """How much better the leader is than another model, over the same cases and resamples."""

    metric: str
    leader: str
    other: str
    difference: Interval

    def __str__(self) -> str:
        if self.difference.excludes_zero:
            return (
                f"{self.leader} leads {self.other} on {self.metric} by {self.difference}: "
                f"the interval excludes zero"
            )
        why = "the interval includes zero" if self.difference.known else "one user has no interval"
        return (
            f"{self.leader} and {self.other} cannot be told apart on {self.metric}: "
            f"they differ by {self.difference}, {why}"
        )


@dataclass(frozen=True)
class Report:
    """Metrics of each model with intervals, and the whole setting.

    models: name -> "recall@10" -> Interval, a mean over cases. details: name -> "coverage@10",
    "tied_share" (None: the model does not say), "cases_per_second". comparisons: the leader on the
    first metric against each other model, best first. ranks: name -> place of the first target
    found, from 1, -1 if none is among the largest k, [n_cases]; not part of the JSON.
    """

    models: Mapping[str, Mapping[str, Interval]]
    details: Mapping[str, Mapping[str, float | None]]
    comparisons: tuple[Comparison, ...]
    ks: tuple[int, ...]
    n_cases: int
    n_clusters: int
    counts: Mapping[str, int]
    definitions: Mapping[str, str]
    setting: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    ranks: Mapping[str, Rows] = field(default_factory=dict, compare=False, repr=False)

    @property
    def verdict(self) -> str:
        """One line: who leads, by how much, and whether that is more than chance."""
        if self.comparisons:
            return f"{self.comparisons[0]} ({self.n_cases} cases of {self.n_clusters} users)."
        name, metrics = next(iter(self.models.items()))
        metric = next(iter(metrics))
        return (
            f"{name} has {metric} {metrics[metric]} ({self.n_cases} cases of {self.n_clusters} "
            f"users); there is no other model to compare with."
        )

    def to_json(self) -> str:
        """The report as JSON: the fields by name, without `ranks`, with `format` and `verdict`.

        An interval is {"mean", "low", "high"}; ends that are not known are null.
        """
        kept = {
            "format": FORMAT,
            "verdict": self.verdict,
            "models": {
                name: {metric: _ends(interval) for metric, interval in metrics.items()}
                for name, metrics in self.models.items()
            },
            "details": {name: dict(details) for name, details in self.details.items()},
            "comparisons": [
                {**asdict(each), "difference": _ends(each.difference)} for each in self.comparisons
            ],
            "ks": list(self.ks),
            "n_cases": self.n_cases,
            "n_clusters": self.n_clusters,
            "counts": dict(self.counts),
            "definitions": dict(self.definitions),
            "setting": dict(self.setting),
            "notes": list(self.notes),
        }
        return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote.

        Raises: DataError if it is none, or of another format.
        """
        try:
            kept = json.loads(text)
            if kept["format"] != FORMAT:
                raise DataError(f"this report has format {kept['format']}, expected {FORMAT}")
            return cls(
                models={
                    name: {metric: _interval(ends) for metric, ends in metrics.items()}
                    for name, metrics in kept["models"].items()
                },
                comparisons=tuple(
                    Comparison(**{**each, "difference": _interval(each["difference"])})
                    for each in kept["comparisons"]
                ),
                ks=tuple(kept["ks"]),
                notes=tuple(kept["notes"]),
                **{name: kept[name] for name in PLAIN},
            )
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"this is no recembed report: {error!r}") from error

    def table(self, metrics: Sequence[str] | None = None) -> str:
        """Plain text: a line a model, a column a metric (those at the first k unless named).

        Raises: DataError if a metric is not in the report.
        """
        rows = [list(row) for row in self._rows(metrics or self._at(self.ks[0]))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join(lines) + "\n"

    def to_markdown(self) -> str:
        """A page to read: the verdict, a table a k, then what it all means."""
        parts = ["# Evaluation", f"**{_plain(self.verdict)}**"]
        for k in self.ks:
            parts += [f"## At {k}", _grid(self._rows(self._at(k), extra=f"coverage@{k}"))]
        if self.comparisons:
            parts += ["## Paired differences", _list(str(each) for each in self.comparisons)]
        if self.notes:
            parts += ["## Notes", _list(self.notes)]
        speed = [("model", "tied_share", "cases_per_second")] + [
            (name, _number(each["tied_share"]), _number(each["cases_per_second"]))
            for name, each in self.details.items()
        ]
        parts += ["## Ties and speed", _grid(speed)]
        for title, pairs in (
            ("Counts", self.counts),
            ("Definitions", self.definitions),
            ("Setting", self.setting),
        ):
            parts += [
                f"## {title}",
                _list(f"{name}: {_shown(each)}" for name, each in pairs.items()),
            ]
        return "\n\n".join(parts) + "\n"

    def _at(self, k: int) -> list[str]:
        """The metrics at k, in their order."""
        names = next(iter(self.models.values()))
        return [name for name in names if name.endswith(f"@{k}")]

    def _rows(self, metrics: Sequence[str], extra: str | None = None) -> list[tuple[str, ...]]:
        """A header, and a row a model, best on the first metric first."""
        has = next(iter(self.models.values()))
        missing = [metric for metric in metrics if metric not in has]
        if missing:
            raise DataError(f"the report has no {missing[0]!r}; it has: {', '.join(has)}")
        best = sorted(self.models, key=lambda name: -self.models[name][metrics[0]].mean)
        rows: list[tuple[str, ...]] = [("model", *metrics, *([extra] if extra else []))]
        for name in best:
            more = [_number(self.details[name].get(extra))] if extra else []
            rows.append((name, *(str(self.models[name][metric]) for metric in metrics), *more))
        return rows


PLAIN = ("details", "n_cases", "n_clusters", "counts", "definitions", "setting")


def _ends(interval: Interval) -> dict[str, float | None]:
    """JSON has no nan: an end that is not known is null."""
    return {name: None if end != end else end for name, end in asdict(interval).items()}


def _interval(ends: Mapping[str, float | None]) -> Interval:
    return Interval(**{name: float("nan") if end is None else end for name, end in ends.items()})


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_|<":
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _grid(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
