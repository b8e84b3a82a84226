"""Runs that are to be measured on the same held-out cases: opened, checked, and named."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from recembed.data.log import Log
from recembed.data.rules import Rule
from recembed.data.split import Part, Split
from recembed.errors import DataError, RunError, many
from recembed.evaluation.audit import audit, hold
from recembed.models import registry
from recembed.models.stored import rankers_of
from recembed.protocols import Fitted, Machine, Ranker
from recembed.report.document import Finding
from recembed.run.folder import Run
from recembed.run.log import check_kind, load_log
from recembed.search.kinds import KINDS, IndexKind
from recembed.settings import flat

REPORT = ("report.json", "report.md", "report.html", "places")  # in a run: not part of the model
Indices: TypeAlias = Literal["exact", "annoy", "hnsw", "ivf", "both"]
Leaks: TypeAlias = Literal["fail", "report"]


@dataclass(frozen=True, eq=False)
class Contest:
    """Runs by the name of their row; several runs under a name differ in their seed alone."""

    runs: dict[str, list[Run]]
    split: Split
    repeats: bool
    findings: tuple[Finding, ...]

    @property
    def log(self) -> Log:
        """The log that all runs share."""
        return self.split.log

    def rankers(
        self, index: Indices | None, machine: Machine
    ) -> tuple[dict[str, list[Ranker]], dict[str, Fitted]]:
        """The rankers by the name of their row, and the first model behind each run's name."""
        loaded = self.log, self.split.part
        rankers: dict[str, list[Ranker]] = {}
        models: dict[str, Fitted] = {}
        for name, runs in self.runs.items():
            for run in runs:
                rows = _rows(name, run, index)
                answering, model = rankers_of(run, [*rows.values()], machine=machine, loaded=loaded)
                for row, ranker in zip(rows, answering, strict=True):
                    rankers.setdefault(row, []).append(ranker)
                models.setdefault(name, model)
        return rankers, models


def contest(runs: str | Path | Sequence[str | Path], on: Part, leaks: Leaks) -> Contest:
    """Open runs that were cut from the same log by the same rule, and look for leaks.

    Raises: RunError if they differ in that; DataError if there is a leak, unless leaks="report".
    """
    folders = [runs] if isinstance(runs, (str, Path)) else list(runs)
    if not folders:
        raise DataError("name at least one run to evaluate")
    if leaks not in ("fail", "report"):
        raise DataError(f"leaks is 'fail' or 'report', not {leaks!r}")
    opened = [Run.open(folder, without=REPORT) for folder in folders]
    split = _split(opened)
    named = _named(opened)
    facts = opened[0].facts
    findings = audit(
        split,
        on,
        repeats=bool(facts["repeats"]),
        trained={name: group[0].facts["trained"] for name, group in named.items()},
        features={
            name: columns(group[0].facts["model"], group[0].facts["setting"])
            for name, group in named.items()
        },
        tuned={
            name: group[0].facts["tuned"]
            for name, group in named.items()
            if group[0].facts.get("tuned", {}).get("data") == facts["data"]
        },
        watched=[
            name for name, group in named.items() if any("watched" in run.facts for run in group)
        ],
    )
    hold(findings, allow=leaks == "report")
    return Contest(named, split, bool(facts["repeats"]), (*findings, *_ended_early(named)))


def told(run: Run) -> dict[str, Any]:
    """What a report says of a run: how it was trained, and the audit of its index."""
    names = ("model", "setting", "seed", "train_seconds", "threads", "trained", "index")
    return {name: run.facts[name] for name in names if name in run.facts} | {"folder": called(run)}


def called(run: Run) -> str:
    """The name of a run's folder."""
    return run.folder.resolve().name


def columns(model: str, setting: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the item and user tables, those that a model learned from: all its lists of text."""
    values = flat(registry.estimator(model, setting)).values()
    return tuple(one for value in values if isinstance(value, tuple) for one in value)


def _ended_early(named: Mapping[str, list[Run]]) -> Iterator[Finding]:
    """Runs whose training was interrupted or diverged: they have learned less than asked for."""
    for name, group in named.items():
        for run in group:
            training = run.facts.get("training", {})
            if training.get("ended") in ("interrupted", "diverged"):
                who = f"{name}, seed {run.facts['seed']}"
                text = f"{who}: {training['why']}; what was learned by then is measured"
                yield Finding("note", "training ended before its time", text)


def _split(runs: list[Run]) -> Split:
    """The split that all runs share. Raises: RunError if they do not."""
    facts = runs[0].facts
    for run in runs:
        check_kind(run)
        cut = run.facts.get("split")
        if not cut:
            raise RunError(f"{run.folder} holds nothing out: train with a test rule to evaluate")
        rules = {name: cut[name] for name in ("test", "valid", "seed", "file_order")}
        first = {name: facts["split"][name] for name in rules}
        if run.facts["data"] != facts["data"] and rules == first:
            _check_items(run, runs[0])
        if (run.facts["data"], rules) != (facts["data"], first):
            raise RunError(
                f"{run.folder} and {runs[0].folder} were not cut from the same log by the same "
                "rules (items that only the item table has count, too, and users who were "
                "forgotten): train them alike to compare them"
            )
        if run.facts["repeats"] != facts["repeats"]:
            raise RunError(
                f"{run.folder} and {runs[0].folder} differ in whether seen items may come back: "
                "train them with the same --seen"
            )
    cut = facts["split"]
    valid = None if cut["valid"] is None else Rule.parse(cut["valid"])
    log, part = load_log(runs[0])
    return Split(
        log, part, Rule.parse(cut["test"]), valid, cut["seed"], cut["counts"], cut["moments"]
    )


def _check_items(*runs: Run) -> None:
    """Raises: RunError if the logs of two runs differ in that one has more items, and no other."""
    logs = {run.folder: load_log(run)[0].interactions for run in runs}
    few, more = sorted(logs, key=lambda folder: logs[folder].n_items)
    old, new = logs[few], logs[more]
    same = np.array_equal(new.items.rows(old.items.ids), np.arange(old.n_items))
    if same and replace(new, items=old.items).fingerprint() == old.fingerprint():
        raise RunError(
            f"{more} has {many(new.n_items - old.n_items, 'item')} that {few} lacks: update "
            "or train both with the same items to compare them"
        )


def _named(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs by what the report calls them; those that differ in their seed alone have one name.

    A name is the model, with the folder where others have the same.
    """
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise DataError("a run is named twice: name each once")
    alike: list[list[Run]] = []
    for run in runs:
        group = next((each for each in alike if _twins(each, run)), None)
        if group is None:
            alike.append([run])
        else:
            group.append(run)
    firsts = [group[0] for group in alike]
    models = [str(run.facts["model"]) for run in firsts]
    short = [f"{model} ({called(run)})" for model, run in zip(models, firsts, strict=True)]
    paths = [f"{model} ({run.folder})" for model, run in zip(models, firsts, strict=True)]
    counts = Counter([*models, *short, *paths])
    ways = zip(models, short, paths, strict=True)
    names = [next((name for name in way if counts[name] == 1), way[-1]) for way in ways]
    return dict(zip(names, alike, strict=True))


def _twins(group: list[Run], run: Run) -> bool:
    one, alike = group[0].facts, ("model", "setting", "trained", "tuned")
    same = all(one.get(name) == run.facts.get(name) for name in alike)
    return same and run.facts["seed"] not in [each.facts["seed"] for each in group]


def _rows(name: str, run: Run, index: Indices | None) -> dict[str, IndexKind]:
    """The rows that a run has in the report, and how each searches."""
    own: IndexKind = (run.facts.get("index") or {"kind": "exact"})["kind"]
    asked = own if index is None or index == "both" else index
    rows: dict[str, IndexKind] = {}
    if index == "both" or asked == "exact":
        rows[name] = "exact"
    if asked in KINDS:
        rows[f"{name} + {KINDS[asked].label}"] = asked
    return rows
