"""Evaluate runs on what they did not train on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows
from recembed.data.log import Log
from recembed.data.split import Part
from recembed.errors import DataError, MissingExtra, RunError
from recembed.evaluation.answers import Measure, Yardsticks
from recembed.evaluation.cases import cases
from recembed.evaluation.examples import examples as shown
from recembed.evaluation.runner import evaluate as measured
from recembed.evaluation.slices import divisions
from recembed.models.stored import has_vectors
from recembed.pipeline.commands import commands
from recembed.pipeline.contest import REPORT, Contest, Indices, Leaks, contest, told
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import Fitted, VectorModel
from recembed.report.document import ItemMap, Report, Search
from recembed.report.maps import item_map
from recembed.report.markdown import markdown
from recembed.report.page import html as page_of
from recembed.report.plain import of_plain
from recembed.run.folder import Run, writing
from recembed.run.whole import whole

EXAMPLES = 100  # a page of more would not be read, nor stay small


def evaluate(
    runs: str | Path | Sequence[str | Path],
    *,
    k: int | Sequence[int] = (10, 20, 50),
    metric: str | None = None,
    on: Part = "test",
    index: Indices | None = None,
    slice: str | Sequence[str] = (),
    category: str | None = None,
    leaks: Leaks = "fail",
    examples: int = 5,
    show_users: bool = False,
    html: bool = True,
    out: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> Report:
    """Measure every run on the same held-out cases, over all items.

    Runs that differ in their seed alone are one model, whose values are averaged. metric: the one
    that decides who leads, recall at the first k unless named. index: search exactly, through the
    run's index, or both as two rows; None: the index that the run serves with. slice: columns
    of the item or user table to look at apart ("genres", "user:age"). category: the column of the
    item table that diversity and the map's colours are by; None: the likeliest one. leaks: "report"
    goes on where the auditor found a leak, and says so. examples: cases shown with every model's
    list; show_users: with user ids. html: also write a page (needs recembed[report], left out with
    a word where that is missing). out: a folder for report.json, report.md, report.html and
    places.npz (where the targets of every case stand); None: the report goes into the run, which
    has to be one alone.

    Raises: DataError for a leak; RunError if two runs hold different parts out.
    """
    folders = [runs] if isinstance(runs, (str, Path)) else list(runs)
    if out is None and len(folders) > 1:
        raise DataError(f"{len(folders)} runs need a folder for their report: name it (--out)")
    if index not in (None, *get_args(Indices)):
        raise DataError(f"index is 'exact', 'annoy', 'hnsw', 'ivf' or 'both', not {index!r}")
    if not 0 <= examples <= EXAMPLES:
        raise DataError(f"examples is a number of cases from 0 to {EXAMPLES}, not {examples}")
    check_seed(seed)
    _check_folder(out)
    machine, progress = machine_of(threads, "auto"), Progress("quiet" if quiet else "auto")
    among = contest(folders, on, leaks)
    log, asked = among.log, cases(among.split, on, seed=seed)
    ks = k if isinstance(k, Sequence) else (k,)
    measure = Measure(among.repeats, ks, metric, machine.memory)
    columns = [slice] if isinstance(slice, str) else list(slice)
    groups = divisions(asked, log, columns)
    named, category = category, _category(log, category)
    rankers, models = among.rankers(index, machine)
    placed = _placed(models, list(models))
    report = measured(
        rankers,
        asked,
        measure,
        divisions=groups,
        yardsticks=Yardsticks(
            asked.events,
            placed[1].items if placed else None,
            log.items.categories((category,))[0] if log.items and category else None,
        ),
        progress=progress,
    )
    firsts = {name: rankers[name][0] for name in report.ranking}
    report = replace(
        report,
        setting={**report.setting, "split": among.split.counts, **_runs(among)},
        findings=among.findings,
        examples=shown(firsts, asked, log, n=examples, repeats=among.repeats, users=show_users),
        indices={
            name: group[0].facts["index"]
            for name, group in among.runs.items()
            if group[0].facts.get("index")
        },
        searches={
            name: of_plain(Search, group[0].facts["search"])
            for name, group in among.runs.items()
            if group[0].facts.get("search")
        },
        commands=commands(
            [run for group in among.runs.values() for run in group],
            [str(folder) for folder in folders],
            {
                "k": report.ks,
                "metric": report.metric,
                "on": on,
                "index": index,
                "slice": columns,
                "category": named,
                "leaks": leaks,
                "examples": examples,
                "show_users": show_users,
                "no_html": not html,
                "out": out,
                "seed": seed,
            },
        ),
    )
    page = None
    if html:
        try:
            best = _placed(models, report.ranking)
            report = replace(report, map=_map(best, log, asked.events, category, seed))
            page = page_of(report)
        except MissingExtra as error:
            progress.say(f"no page of HTML: {error}")
    _write(report, page, out, among)
    progress.say(f"report -> {folders[0] if out is None else out}")
    return report


def _placed(models: dict[str, Fitted], order: Sequence[str]) -> tuple[str, VectorModel] | None:
    """The first model that has vectors, and its name."""
    for name in order:
        model = models.get(name)
        if model is not None and has_vectors(model):
            return name, model
    return None


def _category(log: Log, named: str | None) -> str | None:
    """The column of the item table that tells kinds of items apart."""
    if named is not None:
        if log.items is None:
            raise DataError(f"there is no item table to take column {named!r} from: leave it out")
        log.items.column(named)
        return named
    return log.items.likely_category() if log.items else None


def _map(
    placed: tuple[str, VectorModel] | None,
    log: Log,
    events: NDArray[np.int64],
    category: str | None,
    seed: int,
) -> ItemMap | None:
    if placed is None:
        return None
    name, model = placed
    every: Rows = np.arange(len(events), dtype=np.int32)
    kinds = [""] * len(events)
    if log.items and category:
        bags, meanings = log.items.categories((category,))
        first = bags.offsets[:-1]
        names = [meaning.removeprefix(f"{category}=") for meaning in meanings]
        kinds = [
            names[bags.values[at]] if size else ""
            for at, size in zip(first, bags.sizes, strict=True)
        ]
    return item_map(name, model.items, log.names(every), kinds, events, seed)


def _runs(among: Contest) -> dict[str, Any]:
    return {"runs": {name: [told(run) for run in group] for name, group in among.runs.items()}}


def _check_folder(out: str | Path | None) -> None:
    """Before the work, not after it. Raises: DataError if OUT can be no folder, or is a run."""
    place = None if out is None else Path(out)
    nearest = place and next(each for each in (place, *place.absolute().parents) if each.exists())
    if nearest and not nearest.is_dir():
        raise DataError(f"{out} cannot be a folder for the report: {nearest} is a file")
    if place and (place / "manifest.json").exists():
        raise DataError(
            f"{out} is a run: name another folder, or none, and the report of one run goes into it"
        )


def _write(report: Report, page: str | None, out: str | Path | None, among: Contest) -> None:
    texts = {"json": report.to_json(), "md": markdown(report)} | ({"html": page} if page else {})
    if out is None:
        _into_run(next(iter(among.runs.values()))[0], report, texts)
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for ext, text in texts.items():
        with whole(folder / f"report.{ext}") as beside:
            beside.write_text(text, encoding="utf-8")
    if page is None:
        (folder / "report.html").unlink(missing_ok=True)  # one of another evaluation
    with whole(folder / "places.npz") as beside, beside.open("wb") as file:
        np.savez_compressed(file, **_places(report))  # type: ignore[arg-type]


def _into_run(run: Run, report: Report, texts: dict[str, str]) -> None:
    with writing(run.folder, new=False) as writer:
        if Run.open(run.folder, verify=False, without=REPORT).facts != run.facts:
            raise RunError(f"{run.folder} was trained or indexed meanwhile: evaluate it again")
        for ext in ("json", "md", "html"):
            if ext in texts:
                writer.text(f"report.{ext}", texts[ext], ext)
            elif run.has(f"report.{ext}"):
                writer.drop(f"report.{ext}")
        writer.arrays("places", _places(report))


def _places(report: Report) -> dict[str, Rows]:
    """`above` and `tied` of all targets, by model and number of the seed."""
    return {
        f"{name}/{i}/{what}": getattr(each, what)
        for name, seeds in report.places.items()
        for i, each in enumerate(seeds)
        for what in ("above", "tied")
    }
