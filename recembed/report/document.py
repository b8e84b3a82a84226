"""What an evaluation found, with everything needed to read it and to do it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from recembed.errors import DataError, many
from recembed.metrics.accuracy import METRICS
from recembed.metrics.intervals import Interval
from recembed.metrics.places import Places
from recembed.report.plain import of_plain, to_plain

FORMAT = 2  # of the JSON; goes up when a key changes its meaning
SHOWN = ("recall", "ndcg", "mrr")
SURE = 0.05  # a difference is called real below this probability, corrected for all pairs


@dataclass(frozen=True)
class Comparison:
    """How much better one model is than another, over the same cases and resamples.

    p: of a difference this large if the models were alike (permutation test). p_holm: the same
    corrected for the number of pairs compared. Both nan where there is but one user.
    """

    metric: str
    better: str
    other: str
    difference: Interval
    p: float
    p_holm: float

    @property
    def real(self) -> bool:
        """Whether both the interval and the corrected test say so."""
        return self.difference.excludes_zero and self.p_holm < SURE

    def __str__(self) -> str:
        if not self.difference.known:
            return (
                f"{self.better} and {self.other} cannot be told apart on {self.metric}: they "
                f"differ by {self.difference.mean:.4f}, one user has no interval"
            )
        told = f"{self.difference}, p {self.p_holm:.2g} after Holm's correction"
        if self.real:
            return f"{self.better} leads {self.other} on {self.metric} by {told}"
        return (
            f"{self.better} and {self.other} cannot be told apart on {self.metric}: "
            f"they differ by {told}"
        )


@dataclass(frozen=True)
class Finding:
    """What the auditor found. A leak makes figures worthless; a note is to be known."""

    kind: Literal["leak", "note"]
    name: str
    text: str


@dataclass(frozen=True)
class Slice:
    """The leading metric over some of the cases, or over some of their targets.

    by: what divides them ("history length", "popularity of the item", "item genres" ...).
    """

    by: str
    label: str
    n_cases: int
    n_targets: int
    metric: str
    models: Mapping[str, Interval]


@dataclass(frozen=True)
class Curve:
    """A metric at every k of a grid."""

    metric: str
    ks: tuple[int, ...]
    models: Mapping[str, tuple[Interval, ...]]


@dataclass(frozen=True)
class Bias:
    """Shares of popularity groups: of equal parts of the training events, most popular first.

    items: share of the catalogue in each group; targets: of the targets; models: of the places in
    the model's lists.
    """

    labels: tuple[str, ...]
    items: tuple[float, ...]
    targets: tuple[float, ...]
    models: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class ItemMap:
    """The best known items of one model on a plane, twice; all tuples have an entry an item."""

    model: str
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    events: tuple[int, ...]
    pca: tuple[tuple[float, ...], ...]
    tsne: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Listed:
    """One place of a list."""

    title: str
    hit: bool


@dataclass(frozen=True)
class Example:
    """A case as people see it. user: None unless ids were asked for. history: newest last."""

    user: str | None
    history: tuple[str, ...]
    given: tuple[str, ...]
    targets: tuple[str, ...]
    lists: Mapping[str, tuple[Listed, ...]]


@dataclass(frozen=True)
class Trial:
    """One setting that a search tried. value: of its metric, nan where it was not finished."""

    value: float
    state: str
    seconds: float
    setting: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """How a model's setting was chosen. share: of the users that trials saw."""

    metric: str
    share: float
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Report:
    """Metrics of each model with intervals, what stands behind them, and the whole setting.

    models: name -> "recall@10" -> Interval, a mean over cases (and over seeds, where a model was
    trained with several). metric: the one that decides. details: name -> "coverage@10", "gini@10",
    "tied_share" (None: the model does not say), "cases_per_second". spread: name -> metric -> its
    mean with each seed, where there are several. comparisons: every pair of models on `metric`,
    the leader's first. indices: name -> the audit of its index. searches: name -> how its setting
    was found. commands: what to run to get this report again. places: name -> where the targets of
    all cases stand, one entry a seed; not part of the JSON.
    """

    metric: str
    models: Mapping[str, Mapping[str, Interval]]
    details: Mapping[str, Mapping[str, float | None]]
    comparisons: tuple[Comparison, ...]
    ks: tuple[int, ...]
    n_cases: int
    n_clusters: int
    counts: Mapping[str, int]
    definitions: Mapping[str, str]
    setting: Mapping[str, Any]
    spread: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    slices: tuple[Slice, ...] = ()
    curves: tuple[Curve, ...] = ()
    bias: Bias | None = None
    map: ItemMap | None = None
    examples: tuple[Example, ...] = ()
    indices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    searches: Mapping[str, Search] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    places: Mapping[str, tuple[Places, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def ranking(self) -> list[str]:
        """The models, best on the deciding metric first."""
        return sorted(self.models, key=lambda name: -self.models[name][self.metric].mean)

    @property
    def verdict(self) -> str:
        """Who leads, by how much, how sure: against the second, and the first clearly beaten."""
        size = f"({many(self.n_cases, 'case')} of {many(self.n_clusters, 'user')})"
        leader = self.ranking[0]
        against = [each for each in self.comparisons if each.better == leader]
        if against:
            beaten = next((each for each in against if each.real), against[0])
            told = "; ".join(dict.fromkeys((str(against[0]), str(beaten)))) + f" {size}"
        else:
            alone = f"{leader} has {self.metric} {self.models[leader][self.metric]} {size}"
            told = f"{alone}; there is no other to compare"
        leaks = sum(finding.kind == "leak" for finding in self.findings)
        warning = f" Not to be trusted: the audit found {many(leaks, 'leak')}." if leaks else ""
        return f"{told}.{warning}"

    def at(self, k: int) -> list[str]:
        """The metrics of accuracy at k, in their order."""
        has = self.models[self.ranking[0]]
        return [f"{name}@{k}" for name in METRICS if f"{name}@{k}" in has]

    def table(self, metrics: Sequence[str] | None = None) -> str:
        """Plain text: a line a model, best first, a column a metric.

        metrics: recall, nDCG and MRR at the first k unless named.

        Raises: DataError if a metric is not in the report.
        """
        has = self.models[self.ranking[0]]
        names = metrics or [name for name in self.at(self.ks[0]) if name.split("@")[0] in SHOWN]
        missing = [name for name in names if name not in has]
        if missing:
            raise DataError(f"the report has no {missing[0]!r}; it has: {', '.join(has)}")
        rows = [["model", *names]]
        rows += [[one, *(str(self.models[one][name]) for name in names)] for one in self.ranking]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The report as JSON: the fields by name, without `places`, with `format` and `verdict`.

        An interval is {"mean", "low", "high"}; ends that are not known are null.
        """
        kept = {"format": FORMAT, "verdict": self.verdict, **to_plain(self)}
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote.

        Raises: DataError if it is none, or of another format.
        """
        try:
            kept = json.loads(text)
            if kept.pop("format") != FORMAT:
                raise DataError(f"this report has another format than {FORMAT}")
            del kept["verdict"]
            return of_plain(cls, kept)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"this is no recembed report: {error!r}") from error
