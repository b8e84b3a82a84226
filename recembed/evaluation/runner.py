"""Ask every ranker for every case, over all items, and measure what comes back."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed import __version__
from recembed.arrays import offsets_of
from recembed.errors import DataError, first
from recembed.evaluation.answers import Answers, Measure, Yardsticks, ask
from recembed.evaluation.cases import Cases
from recembed.evaluation.comparisons import compared
from recembed.evaluation.definitions import definitions
from recembed.evaluation.slices import Division, popularity_place
from recembed.metrics.accuracy import METRICS, PerCase
from recembed.metrics.beyond import coverage, gini
from recembed.metrics.intervals import Interval, bootstrap, bootstrap_columns
from recembed.metrics.names import metric_at
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
    are averaged case by case. divisions: groups of cases or targets to look at apart.

    Raises: DataError if there are no cases or rankers, a k is below 1, a metric is unknown, or a
    ranker breaks its promise (wrong shape, an excluded item, an item twice).
    """
    trained = {name: _several(each) for name, each in rankers.items()}
    _check(trained, cases)
    ks, notes = _places(measure.ks, cases.n_items)
    metric, repeats = _deciding(measure.metric, ks), measure.repeats
    yardsticks = yardsticks or Yardsticks(cases.events)
    measure = replace(measure, ks=ks)
    answers = {
        name: [ask(name, each, cases, measure, yardsticks, progress) for each in group]
        for name, group in trained.items()
    }
    values = {
        name: _averaged([_values(each, ks) for each in group]) for name, group in answers.items()
    }
    barred = _barred(cases, repeats)
    if barred:
        notes.append(f"{barred} targets may not be listed (excluded): a miss for every model")
    n_clusters = len(np.unique(cases.owner))
    if n_clusters == 1:
        notes.append("all cases are of one user: there is no interval")
    return Report(
        metric=metric,
        models={name: _intervals(each, cases) for name, each in values.items()},
        details={name: _details(group, ks) for name, group in answers.items()},
        comparisons=compared(
            {name: each[metric] for name, each in values.items()}, cases.owner, metric, cases.seed
        ),
        ks=ks,
        n_cases=len(cases),
        n_clusters=n_clusters,
        counts={**cases.counts, "targets_excluded": barred},
        definitions=definitions(cases, repeats),
        setting=_setting(cases, repeats),
        spread={
            name: _spread([_values(each, ks) for each in group])
            for name, group in answers.items()
            if len(group) > 1
        },
        slices=_slices(answers, cases, divisions, metric),
        curves=_curves(answers, cases, max(ks)),
        bias=_bias(answers, cases, ks[0]),
        notes=tuple(notes),
        places={name: tuple(each.places for each in group) for name, group in answers.items()},
    )


def _several(rankers: Ranker | Sequence[Ranker]) -> list[Ranker]:
    return list(rankers) if isinstance(rankers, Sequence) else [rankers]


def _check(rankers: Mapping[str, Sequence[Ranker]], cases: Cases) -> None:
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


def _places(ks: Sequence[int], n_items: int) -> tuple[tuple[int, ...], list[str]]:
    """Every k once, none above the catalogue, and a note on those that were."""
    wrong = [k for k in ks if k < 1]
    if wrong or not ks:
        raise DataError(f"k must be at least 1, not {first(wrong) if wrong else 'missing'}")
    above = [k for k in ks if k > n_items]
    notes = [f"k {first(above)} cut to the {n_items} items of the catalogue"] if above else []
    return tuple(dict.fromkeys(min(int(k), n_items) for k in ks)), notes


def _deciding(metric: str | None, ks: Sequence[int]) -> str:
    if metric is None:
        return f"{next(iter(METRICS))}@{ks[0]}"
    name, k = metric_at(metric)
    if k not in ks:
        raise DataError(f"{metric} is not measured: add its k ({', '.join(map(str, ks))} are)")
    return f"{name}@{k}"


def _barred(cases: Cases, repeats: bool) -> int:
    """Targets that stand among their own case's excluded items."""
    n_items, targets, exclude = cases.n_items, cases.targets, cases.exclude(repeats)
    wanted = targets.owners().astype(np.int64) * n_items + targets.values
    barred = exclude.owners().astype(np.int64) * n_items + exclude.values
    return int(np.count_nonzero(np.isin(wanted, barred)))


def _values(answers: Answers, ks: Sequence[int]) -> dict[str, PerCase]:
    """Every metric of every case, by "recall@10", [n_cases] each."""
    found = {f"{name}@{k}": f(answers.places, k) for k in ks for name, f in METRICS.items()}
    return found | answers.beyond


def _averaged(seeds: list[dict[str, PerCase]]) -> dict[str, PerCase]:
    return {name: np.mean([seed[name] for seed in seeds], axis=0) for name in seeds[0]}


def _spread(seeds: list[dict[str, PerCase]]) -> dict[str, tuple[float, ...]]:
    return {
        name: tuple(float(np.nanmean(seed[name])) for seed in seeds)
        for name in seeds[0]
        if np.isfinite(seeds[0][name]).any()
    }


def _intervals(values: Mapping[str, PerCase], cases: Cases) -> dict[str, Interval]:
    columns = np.stack(list(values.values()), axis=1)
    return dict(zip(values, bootstrap_columns(columns, cases.owner, seed=cases.seed), strict=True))


def _details(group: Sequence[Answers], ks: Sequence[int]) -> dict[str, float | None]:
    """What is known beside means over cases; of several seeds, the first one's."""
    one = group[0]
    return {
        **{f"coverage@{k}": coverage(one.counts[k]) for k in ks},
        **{f"gini@{k}": gini(one.counts[k]) for k in ks},
        "tied_share": one.tied_share,
        "cases_per_second": len(one.places) / max(one.seconds, 1e-9),
    }


def _slices(
    answers: Mapping[str, Sequence[Answers]],
    cases: Cases,
    divisions: Sequence[Division],
    metric: str,
) -> tuple[Slice, ...]:
    """The metric in each group that has a case; a group of targets counts no other targets."""
    found = []
    for division in divisions:
        for label, mask in division.groups.items():
            chosen = mask if division.of == "targets" else mask[cases.targets.owners()]
            sizes = np.bincount(cases.targets.owners()[chosen], minlength=len(cases))
            if not sizes.any():
                continue
            clusters = cases.owner[sizes > 0]
            models = {
                name: bootstrap(
                    np.mean([_at(metric, _among(each.places, chosen)) for each in group], axis=0),
                    clusters,
                    seed=cases.seed,
                )
                for name, group in answers.items()
            }
            n_cases, n_targets = int(np.count_nonzero(sizes)), int(sizes.sum())
            found.append(Slice(division.by, label, n_cases, n_targets, metric, models))
    return tuple(found)


def _among(places: Places, mask: NDArray[np.bool_]) -> Places:
    """The targets in `mask`, and only the cases that have one."""
    kept = places.keep(mask)
    sizes = np.diff(kept.offsets)
    return Places(offsets_of(sizes[sizes > 0]), kept.above, kept.tied, kept.depth)


def _at(metric: str, places: Places) -> PerCase:
    name, k = metric_at(metric)
    return METRICS[name](places, k)


def _curves(
    answers: Mapping[str, Sequence[Answers]], cases: Cases, depth: int
) -> tuple[Curve, ...]:
    ks = tuple(sorted({k for k in GRID if k < depth} | {depth}))
    found = []
    for metric in CURVES:
        models = {}
        for name, group in answers.items():
            columns = [
                np.stack([METRICS[metric](each.places, k) for k in ks], axis=1) for each in group
            ]
            values = np.mean(columns, axis=0)
            models[name] = tuple(bootstrap_columns(values, cases.owner, seed=cases.seed))
        found.append(Curve(metric, ks, models))
    return tuple(found)


def _bias(answers: Mapping[str, Sequence[Answers]], cases: Cases, k: int) -> Bias:
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
        models={name: shares(seeds[0].counts[k]) for name, seeds in answers.items()},
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
