"""What an evaluation found, in sections: the verdict, the models, curves, slices and bias."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from recembed.metrics.intervals import LEVEL, Interval
from recembed.report import charts
from recembed.report.document import SURE, Bias, Comparison, Curve, Report, Slice
from recembed.report.parts import (
    Block,
    Cell,
    Figure,
    Key,
    Panel,
    Section,
    Table,
    keys,
    number,
    shades,
    short,
    shown,
)

BEYOND = (
    "coverage",
    "gini",
    "novelty",
    "popularity",
    "popularity_lift",
    "distance_by_vector",
    "distance_by_category",
)
LABEL = 60  # letters of a value that slices are named by: longer ones leave charts no room
SPEED = ("tied_share", "cases_per_second")


def results(report: Report) -> Iterator[Section]:
    """The sections that the report has something for; models look the same in all of them."""
    models = keys(report.ranking)
    yield Section("verdict", "Verdict", (*_verdict(report, models),))
    yield Section("models", "Models", (*_tables(report, models),))
    if report.curves:
        figure = Figure(
            tuple(_curve_panel(each, models) for each in report.curves),
            tuple(_curve_table(each, models) for each in report.curves),
            tuple(models.values()),
        )
        told = f"Lines are means over cases, bands their {LEVEL:.0%} intervals."
        yield Section("curves", "Longer lists", (told, figure))
    if report.slices:
        yield Section("slices", "Slices", (*_slices(report, models),))
    beyond = (*_bias(report.bias, models), *_beyond(report, models))
    if beyond:
        yield Section("beyond", "Beyond accuracy", beyond)


def _verdict(report: Report, models: Mapping[str, Key]) -> Iterator[Block]:
    yield report.verdict
    yield from _held_out(report.setting)
    if report.comparisons:
        yield (
            f"How sure: an interval holds what {LEVEL:.0%} of resamplings of the users give, and a "
            f"difference counts as real only if its interval excludes zero and a permutation test, "
            f"corrected for all pairs compared by Holm's method, gives p below {SURE}."
        )
    values = {name: report.models[name][report.metric] for name in models}
    told = "; ".join(f"{name} {shown(interval)}" for name, interval in values.items())
    rows = [(name, models[name], interval) for name, interval in values.items()]
    panel = Panel(
        f"{report.metric} of each model",
        f"A point and its interval for each model, the best first: {told}.",
        partial(charts.dots, rows, report.metric),
    )
    table = Table(
        report.metric,
        ("model", "mean", "low", "high"),
        tuple((models[name], each.mean, each.low, each.high) for name, each in values.items()),
        folded=True,
    )
    yield Figure((panel,), (table,), wide=True)


def _held_out(setting: Mapping[str, Any]) -> Iterator[Block]:
    """What was asked: the part, the rule that cut it, and where it begins and ends in time."""
    on = setting.get("evaluated_on", "test")
    rule, moments = setting.get(f"{on}_rule"), setting.get("moments", {})
    if rule is None:
        return
    ends = ((word, moments.get(f"{on}_{word}")) for word in ("from", "until"))
    when = "".join(f" {word} {np.datetime64(at, 's')}Z" for word, at in ends if at is not None)
    yield f"What was asked: the {on} part, held out by {rule}{',' if when else ''}{when}."


def _tables(report: Report, models: Mapping[str, Key]) -> Iterator[Block]:
    metric, first_k = report.metric.split("@")
    for k in sorted(report.ks, key=lambda each: str(each) != first_k):
        names = sorted(report.at(k), key=lambda name: name != f"{metric}@{k}")
        rows = tuple((key, *map(report.models[name].get, names)) for name, key in models.items())
        yield Table(f"At {k}", ("model", *names), rows, folded=str(k) != first_k)
    if report.spread:
        yield _spread(report, models)
    leader = next(iter(models))
    leading = [each for each in report.comparisons if each.better == leader]
    others = [each for each in report.comparisons if each.better != leader]
    if leading:
        yield _comparisons(f"{leader} against each other model", leading, models, folded=False)
    if others:
        yield _comparisons("All other pairs", others, models, folded=True)


def _comparisons(
    title: str, pairs: list[Comparison], models: Mapping[str, Key], *, folded: bool
) -> Table:
    header = ("better", "other", f"{pairs[0].metric} higher by", "p", "p (Holm)", "real")
    rows = tuple(
        (
            models[each.better],
            models[each.other],
            each.difference,
            _probability(each.p),
            _probability(each.p_holm),
            each.real,
        )
        for each in pairs
    )
    return Table(title, header, rows, folded=folded)


def _probability(p: float) -> str:
    return "unknown" if p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _spread(report: Report, models: Mapping[str, Key]) -> Table:
    """Seeds of training are another chance than the draw of users, so they are told apart."""
    rows = [
        (models[name], metric, len(means), np.mean(means), np.std(means, ddof=1), *_ends(means))
        for name in models
        for metric, means in report.spread.get(name, {}).items()
    ]
    header = ("model", "metric", "seeds", "mean", "standard deviation", "least", "most")
    return Table("Several seeds of training", header, tuple(map(_plain, rows)), folded=True)


def _ends(means: tuple[float, ...]) -> tuple[float, float]:
    return min(means), max(means)


def _plain(row: tuple[Cell | np.floating, ...]) -> tuple[Cell, ...]:
    return tuple(float(each) if isinstance(each, np.floating) else each for each in row)


def _curve_panel(curve: Curve, models: Mapping[str, Key]) -> Panel:
    ends = ", ".join(f"{name} {number(curve.models[name][-1].mean)}" for name in models)
    return Panel(
        f"{curve.metric}@k",
        f"{curve.metric} from k {curve.ks[0]} to {curve.ks[-1]}; at {curve.ks[-1]}: {ends}.",
        partial(charts.curve, curve, models),
    )


def _curve_table(curve: Curve, models: Mapping[str, Key]) -> Table:
    columns = [curve.models[name] for name in models]
    rows = tuple((str(k), *cells) for k, *cells in zip(curve.ks, *columns, strict=True))
    return Table(f"{curve.metric} at k", ("k", *models), rows, folded=True)


def _slices(report: Report, models: Mapping[str, Key]) -> Iterator[Block]:
    yield (
        f"{report.metric} over some of the cases, or over some of their targets; "
        "in brackets: how many cases."
    )
    panels, tables = [], []
    for by, group in groupby(report.slices, lambda each: each.by):
        parts = [replace(each, label=short(each.label, LABEL)) for each in group]
        panels.append(_slice_panel(by, parts, models))
        rows = tuple(
            (each.label, each.n_cases, each.n_targets, *map(each.models.get, models))
            for each in parts
        )
        tables.append(Table(f"By {by}", (by, "cases", "targets", *models), rows, folded=True))
    yield Figure(tuple(panels), tuple(tables), tuple(models.values()))


def _slice_panel(by: str, parts: list[Slice], models: Mapping[str, Key]) -> Panel:
    rows: list[tuple[str, Key, Interval]] = [
        (f"\u2068{part.label}\u2069 ({part.n_cases:,})", key, part.models[name])
        for part in parts
        for name, key in models.items()
    ]
    leaders = ", ".join(
        f"{part.label}: {max(part.models, key=lambda name: part.models[name].mean)}"
        for part in parts
    )
    return Panel(
        f"By {by}",
        f"{parts[0].metric} by {by}, with intervals, for each model; highest in {leaders}.",
        partial(charts.dots, rows, parts[0].metric),
    )


def _bias(bias: Bias | None, models: Mapping[str, Key]) -> Iterator[Block]:
    if bias is None:
        return
    rows = {
        "catalogue": bias.items,
        "what people took": bias.targets,
        **{name: bias.models[name] for name in models},
    }
    first, *_ = bias.labels
    told = ", ".join(f"{name} {parts[0]:.0%}" for name, parts in rows.items())
    panel = Panel(
        "Popularity of what is listed",
        f"Shares of popularity groups. {first}: {told}.",
        partial(charts.shares, rows, shades(bias.labels)),
    )
    cells = tuple((name, *(f"{part:.1%}" for part in parts)) for name, parts in rows.items())
    table = Table("Shares of popularity groups", ("", *bias.labels), cells, folded=True)
    yield (
        "The groups have equal parts of the training events, the most popular items first. A model "
        "without popularity bias lists them as people took them."
    )
    yield Figure((panel,), (table,), tuple(shades(bias.labels).values()), wide=True)


def _beyond(report: Report, models: Mapping[str, Key]) -> Iterator[Block]:
    """What lists are like, apart from hits; dots at the deciding k, tables at every k."""
    k = report.metric.split("@")[1]
    has = {name for model in models for name in (*report.details[model], *report.models[model])}
    tables, panels = [], []
    for at in sorted(report.ks, key=lambda each: str(each) != k):
        names = [f"{name}@{at}" for name in BEYOND if f"{name}@{at}" in has]
        if names:
            table = _details(f"Beyond at {at}", names, report, models)
            tables.append(replace(table, folded=str(at) != k))
    for name in (f"{name}@{k}" for name in BEYOND):
        rows = [
            (model, key, found if isinstance(found, Interval) else Interval(found, np.nan, np.nan))
            for model, key in models.items()
            if (found := _told(report, model, name)) is not None
        ]
        if rows:
            told = ", ".join(f"{model} {number(each.mean)}" for model, _, each in rows)
            panels.append(Panel(name, f"{name}: {told}.", partial(charts.dots, rows, name)))
    if panels:
        yield Figure(tuple(panels), tuple(tables))
    if has & set(SPEED):
        yield _details("Ties and speed", [name for name in SPEED if name in has], report, models)


def _details(title: str, names: list[str], report: Report, models: Mapping[str, Key]) -> Table:
    rows = tuple(
        (key, *(_told(report, name, each) for each in names)) for name, key in models.items()
    )
    return Table(title, ("model", *names), rows)


def _told(report: Report, model: str, name: str) -> Interval | float | None:
    """What is known of a model, as a mean over cases or in one number."""
    return report.models[model].get(name, report.details[model].get(name))
