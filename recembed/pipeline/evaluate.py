"""Evaluate runs on what they did not train on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from recembed.data.split import Part, Rule, Split
from recembed.errors import DataError, RunError
from recembed.evaluation.cases import cases
from recembed.report.document import Report
from recembed.evaluation.runner import evaluate as measure
from recembed.models.stored import ranker_of
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import Machine, Ranker
from recembed.run.folder import Run, writing
from recembed.run.log import Parts, load_log
from recembed.run.whole import whole

REPORT = ("report.json", "report.md")  # in a run, these files
Indices: TypeAlias = Literal["exact", "annoy", "both"]


def evaluate(
    runs: str | Path | Sequence[str | Path],
    *,
    k: int | Sequence[int] = (10, 20, 50),
    on: Part = "test",
    index: Indices | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> Report:
    """Measure every run on the same held-out cases, over all items.

    index: search exactly, through the run's Annoy index, or both as two rows of the report; None:
    the index that the run serves with. out: a folder for report.json, report.md and ranks.npz
    (place of the first target found in each case); None: the report goes into the run, which has
    to be one alone.

    Raises: RunError if a run was trained on the cases, or two runs hold different parts out.
    """
    folders = [runs] if isinstance(runs, (str, Path)) else list(runs)
    if not folders:
        raise DataError("name at least one run to evaluate")
    if out is None and len(folders) > 1:
        raise DataError(f"{len(folders)} runs need a folder for their report: name it (--out)")
    if index not in (None, "exact", "annoy", "both"):
        raise DataError(f"index is 'exact', 'annoy' or 'both', not {index!r}")
    check_seed(seed)
    _check_folder(out)
    machine = machine_of(threads, "auto")
    opened = [Run.open(folder, without=REPORT) for folder in folders]
    log, part = load_log(opened[0])
    parts = _split(opened, (log, part), on)
    rankers: dict[str, Ranker] = {}
    for run, name in zip(opened, _names(opened), strict=True):
        rankers |= _rankers(run, name, index, (log, part), machine)
    report = measure(
        rankers,
        cases(parts, on, seed=seed),
        ks=(k,) if isinstance(k, int) else k,
        repeats=bool(opened[0].facts["repeats"]),
        memory=machine.memory,
        setting={
            "split": parts.counts,
            "runs": [{**_told(run.facts), "folder": _called(run)} for run in opened],
        },
        progress=Progress("quiet" if quiet else "auto"),
    )
    _write(report, out, opened[0])
    return report


def _split(runs: list[Run], stored: tuple[Any, Parts], on: Part) -> Split:
    """The split that all runs share. Raises: RunError if they do not, or trained on `on`."""
    facts = runs[0].facts
    for run in runs:
        cut = run.facts.get("split")
        if not cut:
            raise RunError(f"{run.folder} holds nothing out: train with a test rule to evaluate")
        rules = {name: cut[name] for name in ("test", "valid", "seed", "file_order")}
        first = {name: facts["split"][name] for name in rules}
        if (run.facts["data"], rules) != (facts["data"], first):
            raise RunError(
                f"{run.folder} and {runs[0].folder} were not cut from the same log by the same "
                "rules: train them alike to compare them"
            )
        if run.facts["repeats"] != facts["repeats"]:
            raise RunError(
                f"{run.folder} and {runs[0].folder} differ in whether seen items may come back: "
                "train them with the same --seen"
            )
    cut = facts["split"]
    valid = None if cut["valid"] is None else Rule.parse(cut["valid"])
    parts = Split(*stored, Rule.parse(cut["test"]), valid, cut["seed"], cut["counts"])
    for run in runs:
        if run.facts["trained"] > parts.code(on):
            how = "with --tune" if on == "valid" else "without --refit"
            raise RunError(
                f"{run.folder} was trained on its {on} part, so it proves nothing there: "
                f"train {how}"
            )
    return parts


def _names(runs: list[Run]) -> list[str]:
    """What the report calls each run: its model, with its folder where others have the same."""
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise DataError("a run is named twice: name each once")
    models = [str(run.facts["model"]) for run in runs]
    called = [f"{model} ({_called(run)})" for model, run in zip(models, runs, strict=True)]
    paths = [f"{model} ({run.folder})" for model, run in zip(models, runs, strict=True)]
    counts = Counter([*models, *called, *paths])
    ways = zip(models, called, paths, strict=True)
    return [next((name for name in way if counts[name] == 1), way[-1]) for way in ways]


def _called(run: Run) -> str:
    return run.folder.resolve().name


def _rankers(
    run: Run, name: str, index: Indices | None, loaded: tuple[Any, Parts], machine: Machine
) -> dict[str, Ranker]:
    """The run's rankers by the name of their row."""
    if index is None:
        index = "annoy" if run.facts.get("index") else "exact"
    found: dict[str, Ranker] = {}
    if index in ("exact", "both"):
        found[name] = ranker_of(run, index="exact", machine=machine, loaded=loaded)[0]
    if index == "annoy" or (index == "both" and run.facts.get("index")):
        found[f"{name} + Annoy"] = ranker_of(run, index="annoy", machine=machine, loaded=loaded)[0]
    return found


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    """What a report says of a run: how it was trained, and the audit of its index."""
    names = ("model", "setting", "seed", "train_seconds", "threads", "trained", "index")
    return {name: facts[name] for name in names if name in facts}


def _check_folder(out: str | Path | None) -> None:
    """Before the work, not after it. Raises: DataError if OUT can be no folder."""
    place = None if out is None else Path(out)
    nearest = place and next(each for each in (place, *place.absolute().parents) if each.exists())
    if nearest and not nearest.is_dir():
        raise DataError(f"{out} cannot be a folder for the report: {nearest} is a file")


def _write(report: Report, out: str | Path | None, run: Run) -> None:
    if out is None:
        with writing(run.folder, new=False) as writer:
            if Run.open(run.folder, verify=False, without=REPORT).facts != run.facts:
                raise RunError(f"{run.folder} was trained or indexed meanwhile: evaluate it again")
            writer.text("report.json", report.to_json(), "json")
            writer.text("report.md", report.to_markdown(), "md")
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("report.json", report.to_json()), ("report.md", report.to_markdown())):
        with whole(folder / name) as beside:
            beside.write_text(text, encoding="utf-8")
    with whole(folder / "ranks.npz") as beside, beside.open("wb") as file:
        np.savez_compressed(file, **dict(report.ranks))  # type: ignore[arg-type]
