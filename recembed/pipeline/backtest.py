"""Train and evaluate at points in time that roll towards the end of a log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from zipfile import is_zipfile

import numpy as np

from recembed.arrays import PerCase, Rows
from recembed.data.files import Source
from recembed.data.log import Log
from recembed.data.split import Split, split
from recembed.errors import DataError, RunError
from recembed.evaluation.answers import Measure
from recembed.evaluation.cases import cases
from recembed.evaluation.comparisons import compared
from recembed.metrics.intervals import Resamples
from recembed.metrics.names import per_case
from recembed.metrics.places import Places
from recembed.models import registry
from recembed.pipeline.contest import Leaks
from recembed.pipeline.evaluate import evaluate
from recembed.pipeline.points import Backtest, Point
from recembed.pipeline.train import MODEL, check_seed, machine_of, may_repeat, read, train
from recembed.pipeline.tuned import Tuned
from recembed.progress import Progress
from recembed.protocols import Estimator
from recembed.report.document import Report
from recembed.run.folder import Run
from recembed.run.whole import whole


def backtest(
    log: Source | Log,
    out: str | Path,
    *,
    model: str | Sequence[str] = (),
    set: Mapping[str, Any] | None = None,
    settings: Sequence[str | Path] = (),
    points: int = 4,
    window: str = "7d",
    metric: str = "recall@10",
    k: int | Sequence[int] = (10, 20, 50),
    leaks: Leaks = "fail",
    items: Source | None = None,
    users: Source | None = None,
    columns: Mapping[str, str] | None = None,
    min_user: int = 1,
    min_item: int = 1,
    repeats: Literal["keep", "collapse"] = "keep",
    seen: Literal["auto", "allow", "exclude"] = "auto",
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    quiet: bool = False,
) -> Backtest:
    """Cut the end of LOG into windows; for each, train on all before it and ask what came in it.

    points: how many windows. window: how long each is ("12h", "7d", "2w"). model: one or several,
    item2vec unless named. set: hyperparameters of the model, where one alone is named. settings:
    files that `tune` wrote, a model each, beside those named. The rest as in `train` and
    `evaluate`.

    OUT gets a folder a point (point-1 is the earliest) with a run a model and the report on its
    window, and backtest.json and backtest.md. What is there already is not made again, so the same
    call goes on after it was stopped.

    Raises: DataError for what is wrong with the log or the options, or for a leak; RunError if OUT
    has runs that were trained otherwise.
    """
    check_seed(seed)
    machine_of(threads, device)
    ks = tuple(k) if isinstance(k, Sequence) else (k,)
    Measure(True, ks, metric)  # what is wrong comes to light before the first training
    rules = _rules(points, window)
    named = (model,) if isinstance(model, str) else tuple(model)
    entries = _entries(named, set or {}, settings)
    data = read(
        log,
        items=items,
        users=users,
        columns=columns,
        min_user=min_user,
        min_item=min_item,
        repeats=repeats,
    )
    parts = [split(data, rule) for rule in rules]  # all of them, before any training
    common: dict[str, Any] = {"seed": seed, "threads": threads, "quiet": quiet}
    again = may_repeat(data.interactions, seen)
    asked = {"k": ks, "metric": metric, "leaks": leaks, **common}
    progress = Progress("quiet" if quiet else "auto")
    windows = []
    for i, part in enumerate(parts, 1):
        folder = Path(out) / f"point-{i}"
        for name, entry in entries.items():
            if not _trained(folder / name, part, entry.estimator, repeats=again, seed=seed):
                how = entry.options | {"test": str(part.test_rule), "seen": seen, "device": device}
                train(data, folder / name, **how, **common)
        windows.append(_measured(folder, tuple(entries), part, asked))
        progress.say(f"point {i} of {points}: {part.stated('test')}")
    found = _together(windows, window, metric, _hindsight(entries, data), seed)
    for ext, text in (("json", found.to_json()), ("md", found.to_markdown())):
        with whole(Path(out) / f"backtest.{ext}") as beside:
            beside.write_text(text, encoding="utf-8")
    return found


@dataclass(frozen=True, eq=False)
class _Entry:
    """A model that takes part: as it is trained, and the options of `train` that say so."""

    estimator: Estimator
    options: dict[str, Any]
    tuned: Tuned | None = None


@dataclass(frozen=True, eq=False)
class _Window:
    """The user row of each of a point's cases, and the metric of each by model, [n_cases]."""

    rule: str
    owner: Rows
    values: Mapping[str, PerCase]

    def point(self, resamples: Resamples) -> Point:
        """What it comes to; resamples: of its cases."""
        intervals = resamples.intervals(list(self.values.values()))
        models = dict(zip(self.values, intervals, strict=True))
        return Point(self.rule, len(self.owner), len(np.unique(self.owner)), models)


def _rules(points: int, window: str) -> list[str]:
    """The split rule of each window, the earliest first."""
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", window)
    size = int(found[1]) if found else 0
    if not found or not size:
        raise DataError(f"window is a time such as 12h, 7d or 2w, not {window!r}")
    if points < 1:
        raise DataError(f"points must be at least 1, not {points}")
    ends = [f"-{i * size}{found[2]}" for i in range(points, 0, -1)]
    return [*(f"time:{begin}..{end}" for begin, end in pairwise(ends)), f"time:{ends[-1]}"]


def _entries(
    models: Sequence[str], set: Mapping[str, Any], settings: Sequence[str | Path]
) -> dict[str, _Entry]:
    """The models by name. Raises: DataError if one is named twice, or `set` is not of one alone."""
    models = models or (() if settings else (MODEL,))
    if set and len(models) != 1:
        raise DataError(
            f"set is of one model, {len(models)} are named: give the others their setting in a "
            "file that `recembed tune` wrote (--settings)"
        )
    every = [
        (name, _Entry(registry.estimator(name, set), {"model": name, "set": set}))
        for name in models
    ]
    for path in settings:
        tuned = Tuned.read(path)
        estimator = registry.estimator(tuned.model, tuned.set)
        options = {"model": tuned.model, "set": tuned.set}
        every.append((tuned.model, _Entry(estimator, options, tuned)))
    names = [name for name, _ in every]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{twice[0]} is named {names.count(twice[0])} times: name each model once")
    return dict(every)


def _trained(folder: Path, part: Split, estimator: Estimator, *, repeats: bool, seed: int) -> bool:
    """Whether the run is there, whole. Raises: RunError if what is there is another one."""
    if not folder.exists():
        return False
    facts = Run.open(folder, verify=False).facts
    if facts.get("training", {}).get("ended") in ("interrupted", "diverged"):
        return False
    cut = facts.get("split") or {}
    same = {
        "log": facts["data"] == part.log.interactions.fingerprint(),
        "window": cut.get("test") == str(part.test_rule),
        "seed": facts["seed"] == seed,
        "setting": registry.estimator(facts["model"], facts["setting"]) == estimator,
        "seen": facts["repeats"] == repeats,
    }
    other = [name for name, alike in same.items() if not alike]
    if other:
        raise RunError(f"{folder} was trained with another {other[0]}: name another folder (--out)")
    return True


def _measured(folder: Path, names: Sequence[str], part: Split, asked: Mapping[str, Any]) -> _Window:
    """What the report on a window says of each case; the report is made if it is not there."""
    found, place = cases(part, "test", seed=asked["seed"]), folder / "report"
    measure = Measure(True, asked["k"], asked["metric"]).within(found.n_items)  # as evaluate cuts
    ks = list(measure.ks)
    if not _reported(place, names, ks):
        runs = [folder / name for name in names]
        evaluate(runs, html=False, examples=0, out=place, **asked)
    values = {}
    with np.load(place / "places.npz") as kept:
        for model in names:
            above, tied = (kept[f"{model}/0/{what}"] for what in ("above", "tied"))
            places = Places(found.targets.offsets, above, tied, max(ks))
            values[model] = per_case(measure.deciding, [places])
    return _Window(part.stated("test"), found.owner, values)


def _reported(place: Path, names: Sequence[str], ks: list[int]) -> bool:
    """Whether the report on these models is there, whole, of lists so long."""
    if not is_zipfile(place / "places.npz"):  # it is written last
        return False
    try:
        report = Report.from_json((place / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return list(report.ks) == ks and {*report.models} == {*names}


def _hindsight(entries: Mapping[str, _Entry], data: Log) -> tuple[str, ...]:
    """Settings that were chosen on this very log know of its end."""
    tuned = [each.tuned for each in entries.values() if each.tuned]
    own = data.interactions.fingerprint() if tuned else ""
    return tuple(
        f"the setting of {each.model} was chosen on {each.valid}, before {each.test}, of this log: "
        "points that begin before that know of their future"
        for each in tuned
        if each.data == own
    )


def _together(
    windows: Sequence[_Window], window: str, metric: str, notes: tuple[str, ...], seed: int
) -> Backtest:
    """All cases of all points as one evaluation, whose clusters are users across points."""
    names = windows[0].values
    values = {name: np.concatenate([each.values[name] for each in windows]) for name in names}
    owner = np.concatenate([each.owner for each in windows])
    resamples = Resamples(owner, seed=seed)
    every = _Window("", owner, values).point(resamples)
    points = tuple(each.point(Resamples(each.owner, seed=seed)) for each in windows)
    return Backtest(
        metric=metric,
        window=window,
        points=points,
        models=every.models,
        means={
            name: float(np.mean([point.models[name].mean for point in points])) for name in names
        },
        comparisons=compared(values, resamples, metric),
        n_cases=every.n_cases,
        n_clusters=every.n_clusters,
        notes=notes,
    )
