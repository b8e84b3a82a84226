"""What stands behind the figures, in sections: items, users, indices, searches, audit, setting."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from recembed.report import charts
from recembed.report.document import Example, ItemMap, Report, Search, Trial
from recembed.report.parts import (
    SHAPES,
    Block,
    Cell,
    Code,
    Figure,
    Key,
    Panel,
    Section,
    Table,
    keys,
    number,
    pairs,
    shades,
    short,
)
from recembed.search.kinds import KINDS

CATEGORIES = 9  # with colours of their own on the map; the tenth is all the others
OTHERS = "all others"
LETTERS = 40  # of a title or category on the map: 2,000 of them are there three times
TITLE = 200  # letters of a title in examples: some catalogues have whole descriptions there
TRIALS = 100  # the best ones that are listed: ten searches then fit a page below 3 MB


def evidence(report: Report) -> Iterator[Section]:
    """The sections that the report has something for."""
    if report.map is not None and report.map.titles:
        yield Section("items", "Items", (*_map(_shortened(report.map)),))
    if report.examples:
        blocks = (
            each
            for at, case in enumerate(report.examples, 1)
            for each in _example(at, _brief(case))
        )
        told = "Cases drawn by chance. Hits are marked ✓."
        yield Section("examples", "Examples", (told, *blocks))
    if report.indices:
        yield Section("index", "Index", (*_indices(report.indices),))
    if report.searches:
        yield Section("searches", "Searches", (*_searches(report),))
    yield Section("audit", "Audit and definitions", (*_audit(report),))
    yield Section("setting", "Setting", (*_setting(report),))


def _map(items: ItemMap) -> Iterator[Block]:
    n = len(items.titles)
    yield (
        f"The vectors of {items.model} for the {n:,} items with the most events: near means alike "
        "to the model, size grows with events, colour is the category. Shift and wheel zoom, shift "
        "and drag move, a double click goes back."
    )
    counts = Counter(items.categories)
    named = [name for name, _ in counts.most_common(CATEGORIES)]
    looks = keys([*named, *([OTHERS] if len(named) < len(counts) else [])], shaped=False)
    groups = [looks.get(category) or looks[OTHERS] for category in items.categories]
    told = ", ".join(f"{name} {counts[name]}" for name in named)
    ways = {"PCA": items.pca, "t-SNE": items.tsne}
    panels = tuple(
        Panel(
            way,
            f"{n:,} items on a plane by {way}. Items by category: {told}.",
            partial(charts.plane, items, at, groups),
        )
        for way, at in ways.items()
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (title, category, events, *pca, *tsne)
        for title, category, events, pca, tsne in zip(
            items.titles, items.categories, items.events, items.pca, items.tsne, strict=True
        )
    )
    header = ("item", "category", "events", "PCA 1", "PCA 2", "t-SNE 1", "t-SNE 2")
    table = Table("Items on the map", header, rows, folded=True, printed=False)
    yield Figure(panels, (table,), tuple(looks.values()))


def _shortened(items: ItemMap) -> ItemMap:
    titles, categories = (
        tuple(short(text, LETTERS) for text in texts) for texts in (items.titles, items.categories)
    )
    return replace(items, titles=titles, categories=categories)


def _brief(case: Example) -> Example:
    history, given, targets = (
        tuple(short(title, TITLE) for title in titles)
        for titles in (case.history, case.given, case.targets)
    )
    lists = {
        name: tuple(replace(each, title=short(each.title, TITLE)) for each in listed)
        for name, listed in case.lists.items()
    }
    return replace(case, history=history, given=given, targets=targets, lists=lists)


def _example(at: int, case: Example) -> Iterator[Block]:
    facts: dict[str, Any] = {"user": case.user} if case.user is not None else {}
    facts["history, newest last"] = case.history or "none"
    if case.given:
        facts["given"] = case.given
    facts["to be found"] = case.targets
    yield pairs(f"Case {at}", facts, ("what", "items"))
    depth = max((len(each) for each in case.lists.values()), default=0)
    rows = tuple(
        (
            str(place + 1),
            *(each[place] if place < len(each) else "" for each in case.lists.values()),
        )
        for place in range(depth)
    )
    yield Table(f"Lists for case {at}", ("place", *case.lists), rows)


def _indices(indices: Mapping[str, Mapping[str, Any]]) -> Iterator[Block]:
    header = (
        *("model", "kind", "effort", "recall against exact", "queries/s", "exact queries/s"),
        *("build seconds", "MiB"),
    )
    rows = tuple(
        (
            name,
            _built(facts["meta"]),
            facts["effort"],
            audit["recall"],
            audit["queries_per_second"],
            audit["exact_queries_per_second"],
            audit["build_seconds"],
            audit["bytes"] / 2**20,
        )
        for name, facts in indices.items()
        for audit in [facts["audit"]]
    )
    yield (
        "Recall is the share of the exact list that the index finds, for the run's own users. "
        "Effort is the number of items that it looks at. Where that is all of them, an approximate "
        "index does not pay: they are scored exactly."
    )
    yield Table("What is served", header, rows)
    ways = [each["metric"] for facts in indices.values() for each in facts["tried"]]
    tones = zip(shades([*dict.fromkeys(ways), "exact"]).values(), SHAPES, strict=False)
    legend = {key.label: replace(key, shape=shape) for key, shape in tones}
    legend["exact"] = Key("exact", "var(--ink)", SHAPES[-1])
    panels = tuple(_index_panel(name, facts, legend) for name, facts in indices.items())
    tables = tuple(_tried(name, facts) for name, facts in indices.items())
    yield Figure(panels, tables, tuple(legend.values()))


def _built(meta: Mapping[str, Any]) -> str:
    kind = KINDS[meta["kind"]]
    return f"{kind.label}, {meta['metric']}, {meta['size']:,} {kind.parts}"


def _index_panel(name: str, facts: Mapping[str, Any], legend: Mapping[str, Key]) -> Panel:
    audit = facts["audit"]
    rows = [
        (
            legend[each["metric"]],
            f"{each['size']:,} {KINDS[facts['kind']].parts}, effort {each['effort']:,}",
            each["recall"],
            each["queries_per_second"],
        )
        for each in facts["tried"]
    ]
    exact = audit["exact_queries_per_second"]
    return Panel(
        name,
        f"Recall at {audit['k']} of {name}'s index against its queries a second. Kept: recall "
        f"{number(audit['recall'])} at {number(audit['queries_per_second'])}; exact search answers "
        f"{number(exact)}.",
        partial(charts.price, [*rows, (legend["exact"], "all items", 1.0, exact)], legend),
    )


def _tried(name: str, facts: Mapping[str, Any]) -> Table:
    names = ("size", "effort", "recall", "queries_per_second", "build_seconds")
    rows = tuple((each["metric"], *(each[column] for column in names)) for each in facts["tried"])
    return Table(f"Tried for {name}", ("metric", *names), rows, folded=True)


def _searches(report: Report) -> Iterator[Block]:
    models = keys(report.ranking)
    for name, search in report.searches.items():
        yield from _search(name, search, models[name].colour if name in models else "var(--accent)")


def _search(name: str, search: Search, colour: str) -> Iterator[Block]:
    done = sorted(
        (each for each in search.trials if each.value == each.value), key=lambda each: -each.value
    )
    n, share = len(search.trials), f"{search.share:.0%} of the users"
    if not done:
        yield f"{name}: none of {n} trials was finished ({share})."
        return
    seconds = sum(trial.seconds for trial in search.trials)
    yield (
        f"{name}: {n} trials on {share}, {n - len(done)} of them not finished (stopped early, or "
        f"failed), {seconds:,.0f} s in all; the best reached {search.metric} "
        f"{done[0].value:.4f} on the valid part."
    )
    shown = done[:TRIALS]
    values = [trial.value for trial in search.trials]
    first = Panel(
        f"{name}: by trial",
        f"{search.metric} of {len(done)} finished trials; the best is trial "
        f"{values.index(done[0].value) + 1} with {done[0].value:.4f}.",
        partial(charts.progress, values, search.metric, colour),
    )
    varied = [each for each in _names(shown) if len({str(t.setting.get(each)) for t in shown}) > 1]
    others = tuple(
        _response(f"{name}: {each}", each, shown, search.metric, colour) for each in varied
    )
    title = f"Trials of {name}" + (f", the best {TRIALS}" if len(done) > TRIALS else "")
    yield Figure((first, *others), (_trials(title, shown, search.metric),))


def _names(trials: list[Trial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.setting))


def _response(title: str, name: str, trials: list[Trial], metric: str, colour: str) -> Panel:
    tried = [(trial.setting[name], trial.value) for trial in trials if name in trial.setting]
    best = max(tried, key=lambda pair: pair[1])
    return Panel(
        title,
        f"{metric} by {name}; the best of these trials has {best[0]}.",
        partial(charts.response, tried, name, metric, colour),
    )


def _trials(title: str, trials: list[Trial], metric: str) -> Table:
    names = _names(trials)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(at),
            trial.value,
            trial.state,
            trial.seconds,
            *map(_cell, map(trial.setting.get, names)),
        )
        for at, trial in enumerate(trials, start=1)
    )
    return Table(title, ("rank", metric, "state", "seconds", *names), rows, folded=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _audit(report: Report) -> Iterator[Block]:
    if not any(each.kind == "leak" for each in report.findings):
        yield "The audit found no leak."
    if report.findings:
        rows = tuple((each.kind, each.name, each.text) for each in report.findings)
        yield Table("What the auditor found", ("kind", "name", "text"), rows)
    if report.notes:
        notes = tuple((str(at), note) for at, note in enumerate(report.notes, start=1))
        yield Table("Notes", ("", "note"), notes)
    yield pairs("Counts", report.counts, ("what", "count"))
    yield pairs("Definitions", report.definitions, ("name", "meaning"))


def _setting(report: Report) -> Iterator[Block]:
    if report.commands:
        yield "To get this report again:"
        yield Code("\n".join(report.commands))
    yield "All that these figures depend on:"
    yield Code(json.dumps(report.setting, indent=2, ensure_ascii=False, default=str))
