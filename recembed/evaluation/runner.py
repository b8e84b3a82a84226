"""Ask every ranker for every case, over all items, and measure what comes back."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed import __version__
from recembed.arrays import PerCase, blocks_of, offsets_of
from recembed.errors import DataError, first
from recembed.evaluation.answers import Answers, Measure, Yardsticks, ask
from recembed.evaluation.cases import Cases
from recembed.evaluation.comparisons import compared
from recembed.evaluation.definitions import definitions
from recembed.evaluation.slices import Division, popularity_place
from recembed.metrics.accuracy import METRICS
from recembed.metrics.beyond import coverage, gini
from recembed.metrics.intervals import Interval, Resamples
from recembed.metrics.names import per_case
from recembed.metrics.places import Places
from recembed.progress import QUIET, Progress
from recembed.protocols import Ranker
from recembed.report.document import Bias, Curve, Report, Slice

GRID = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)  # of the curves, as far as the lists reach
CURVES = ("recall", "ndcg")
GROUPS = 10  # of items, by popularity


def evaluate(
    rankers: Mapping[str, Ranker | Sequence[Ranker]],
    cases: Cases,
    measure: Measure,
    *,
    divisions: Sequence[Division] = (),
    yardsticks: Yardsticks | None = None,
    progress: Progress = QUIET,
) -> Report:
    """Metrics of each ranker at each k, with intervals over users.

    rankers: by name; several under one name are one model trained with several seeds, whose values
    are averaged case by case. divisions: groups of cases or targets to look at apart. yardsticks:
    the training events of the cases unless more is known of items.

    Raises: DataError if there are no cases or rankers, or a ranker breaks its promise (wrong shape,
    an excluded item, an item twice).
    """
    trained = {name: _several(each) for name, each in rankers.items()}
    check(trained, cases)
    above = [k for k in measure.ks if k > cases.n_items]
    notes = [f"k {first(above)} cut to the {cases.n_items} items of the catalogue"] if above else []
    measure = measure.within(cases.n_items)
    ks, metric = tuple(measure.ks), measure.deciding
    yardsticks = yardsticks or Yardsticks(cases.events)
    resamples = Resamples(cases.owner, seed=cases.seed)
    found = {
        name: _measured(
            (ask(name, each, cases, measure, yardsticks, progress) for each in group),
            measure,
            resamples,
        )
        for name, group in trained.items()
    }
    barred = _barred(cases, measure)
    if barred:
        notes.append(f"{barred} targets may not be listed (excluded): a miss for every model")
    n_clusters = len(np.unique(cases.owner))
    if n_clusters == 1:
        notes.append("all cases are of one user: there is no interval")
    places = {name: each.places for name, each in found.items()}
    return Report(
        metric=metric,
        models={name: each.intervals for name, each in found.items()},
        details={name: each.details for name, each in found.items()},
        comparisons=compared(
            {name: each.deciding for name, each in found.items()}, resamples, metric
        ),
        ks=ks,
        n_cases=len(cases),
        n_clusters=n_clusters,
        counts={**cases.counts, "targets_excluded": barred},
        definitions=definitions(cases, measure.repeats),
        setting=_setting(cases, measure.repeats),
        spread={name: each.spread for name, each in found.items() if each.spread},
        slices=_slices(places, cases, divisions, resamples, metric),
        bias=_bias({name: each.counts for name, each in found.items()}, cases),
        curves=_curves(places, resamples, max(ks)),
        notes=tuple(notes),
        places=places,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """What is kept of a model: the values of single cases are gone, but for those that decide.

    counts: how often each item is in the lists of the first k, [n_items].
    """

    intervals: dict[str, Interval]
    details: dict[str, float | None]
    spread: dict[str, tuple[float, ...]]
    deciding: PerCase
    counts: NDArray[np.int64]
    places: tuple[Places, ...]


def _measured(seeds: Iterator[Answers], measure: Measure, resamples: Resamples) -> _Measured:
    """One seed after the other: of the values of each, no more than their sums are kept."""
    first_one = next(seeds)
    places, totals = [first_one.places], _values(first_one, measure.ks)
    means = [_means(totals)]
    for each in seeds:
        values = _values(each, measure.ks)
        for name, total in totals.items():
            total += values[name]
        means.append(_means(values))
        places.append(each.places)
    for total in totals.values():
        total /= len(places)
    return _Measured(
        dict(zip(totals, resamples.intervals(list(totals.values())), strict=True)),
        _details(first_one, measure.ks),
        {name: tuple(each[name] for each in means) for name in means[0]} if len(means) > 1 else {},
        totals[measure.deciding],
        first_one.counts[measure.ks[0]],
        tuple(places),
    )


def _means(values: Mapping[str, PerCase]) -> dict[str, float]:
    """The mean of each metric that any case has."""
    told = {name: column[~np.isnan(column)] for name, column in values.items()}
    return {name: float(column.mean()) for name, column in told.items() if len(column)}


def _several(rankers: Ranker | Sequence[Ranker]) -> list[Ranker]:
    return list(rankers) if isinstance(rankers, Sequence) else [rankers]


def check(rankers: Mapping[str, Sequence[Ranker]], cases: Cases) -> None:
    """Raises: DataError if there is nothing to ask, nobody to answer, or other items."""
    if not rankers:
        raise DataError("there is no model to evaluate")
    if not len(cases):
        told = ", ".join(f"{name} {count}" for name, count in cases.counts.items() if count)
        raise DataError(f"{cases.rule} leaves no case to evaluate ({told or 'nothing held out'})")
    for name, group in rankers.items():
        for ranker in group:
            if len(ranker.known) != cases.n_items:
                raise DataError(
                    f"{name} ranks {len(ranker.known)} items, the cases have {cases.n_items}: "
                    "train it on the same split"
                )


def _barred(cases: Cases, measure: Measure) -> int:
    """Targets that stand among their own case's excluded items."""
    found, n_items = 0, cases.n_items
    for block in blocks_of(cases.history_bytes, measure.memory // 4):
        at = np.arange(block.start, block.stop)
        targets, exclude = cases.targets.take(at), cases.exclude(measure.repeats, at)
        wanted = targets.owners().astype(np.int64) * n_items + targets.values
        barred = exclude.owners().astype(np.int64) * n_items + exclude.values
        found += int(np.count_nonzero(np.isin(wanted, barred)))
    return found


def _values(answers: Answers, ks: Sequence[int]) -> dict[str, PerCase]:
    """Every metric of every case, by "recall@10", [n_cases] each."""
    found = {f"{name}@{k}": f(answers.places, k) for k in ks for name, f in METRICS.items()}
    return found | answers.beyond


def _details(one: Answers, ks: Sequence[int]) -> dict[str, float | None]:
    """What is known beside means over cases; of several seeds, the first one's."""
    return {
        **{f"coverage@{k}": coverage(one.counts[k]) for k in ks},
        **{f"gini@{k}": gini(one.counts[k]) for k in ks},
        "tied_share": one.tied_share,
        "cases_per_second": len(one.places) / max(one.seconds, 1e-9),
    }


def _slices(
    places: Mapping[str, Sequence[Places]],
    cases: Cases,
    divisions: Sequence[Division],
    resamples: Resamples,
    metric: str,
) -> tuple[Slice, ...]:
    """The metric in each group that has a case; a group of targets counts no other targets.

    A division with one such group would say again what is known of all.
    """
    found = []
    for division in divisions:
        if sum(bool(mask.any()) for mask in division.groups.values()) < 2:
            continue
        for label, mask in division.groups.items():
            chosen = mask if division.of == "targets" else mask[cases.targets.owners()]
            sizes = np.bincount(cases.targets.owners()[chosen], minlength=len(cases))
            at = np.flatnonzero(sizes)
            if not len(at):
                continue
            models = {
                name: resamples.interval(
                    per_case(metric, [_among(each, chosen) for each in seeds]), at
                )
                for name, seeds in places.items()
            }
            found.append(Slice(division.by, label, len(at), int(sizes.sum()), metric, models))
    return tuple(found)


def _among(places: Places, mask: NDArray[np.bool_]) -> Places:
    """The targets in `mask`, and only the cases that have one."""
    kept = places.keep(mask)
    sizes = np.diff(kept.offsets)
    return Places(offsets_of(sizes[sizes > 0]), kept.above, kept.tied, kept.depth)


def _curves(
    places: Mapping[str, Sequence[Places]], resamples: Resamples, depth: int
) -> tuple[Curve, ...]:
    ks = tuple(sorted({k for k in GRID if k < depth} | {depth}))
    return tuple(
        Curve(
            metric,
            ks,
            {
                name: tuple(resamples.intervals([per_case(f"{metric}@{k}", seeds) for k in ks]))
                for name, seeds in places.items()
            },
        )
        for metric in CURVES
    )


def _bias(counts: Mapping[str, NDArray[np.int64]], cases: Cases) -> Bias:
    """Tenths of the training events by popularity of their items, and who lists them."""
    n, place = cases.n_items, popularity_place(cases.events)
    group = np.minimum((place * GROUPS).astype(np.int64), GROUPS - 1)

    def shares(weights: NDArray[np.int64]) -> tuple[float, ...]:
        sums = np.bincount(group, weights, minlength=GROUPS)
        return tuple((sums / max(float(sums.sum()), 1)).tolist())

    edges = [100 * i // GROUPS for i in range(GROUPS + 1)]
    return Bias(
        labels=tuple(f"{low}-{high} %" for low, high in pairwise(edges)),
        items=shares(np.ones(n, np.int64)),
        targets=shares(np.bincount(cases.targets.values, minlength=n)),
        models={name: shares(each) for name, each in counts.items()},
    )


def _setting(cases: Cases, repeats: bool) -> dict[str, Any]:
    return {
        **cases.setting,
        "repeats": repeats,
        "bootstrap_seed": cases.seed,
        "recembed": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
