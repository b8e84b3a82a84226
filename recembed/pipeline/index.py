"""Build a run's index and audit it against exact search."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias, get_args

import numpy as np

from recembed.errors import DataError, RunError
from recembed.models.stored import has_vectors, ranker_of
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import VectorModel
from recembed.run.folder import Run, writing
from recembed.run.log import load_log
from recembed.run.writer import Writer
from recembed.search.audit import Audit
from recembed.search.kinds import suited
from recembed.search.tuning import QUERIES, Asked, Built, Tuning, tuned
from recembed.seed import rng

Wanted: TypeAlias = Literal["auto", "exact", "annoy", "hnsw", "ivf"]

PAYS = 1.25  # times the queries/s of exact search, beyond a clock's noise
ENOUGH = 4.0  # times the queries/s of exact search: another kind would be minutes for little


def index(
    run: str | Path,
    *,
    kind: Wanted = "auto",
    target_recall: float = 0.95,
    k: int = 10,
    size: int | None = None,
    seed: int = 0,
    threads: int = 1,
    quiet: bool = False,
) -> Audit | None:
    """Build the index that RUN serves with, and store what it costs and finds.

    What is built and how far it looks is chosen with the run's own user vectors: what reaches
    target_recall against exact search at the most queries/s. auto: the kind that suits so many
    items, or exact search where that is as fast. exact: removes the index. size: Annoy's trees,
    HNSW's links an item, IVF's lists; None tries some. threads: more than one builds faster, but
    not twice the same bytes.

    Returns: None where search is exact.

    Raises: RunError if the model has no vectors; MissingExtra without annoy or FAISS.
    """
    if kind not in get_args(Wanted):
        raise DataError(f"kind is 'auto', 'exact', 'annoy', 'hnsw' or 'ivf', not {kind!r}")
    tuning = Tuning(target_recall=target_recall, k=k, size=size, seed=seed, threads=threads)
    _check(tuning)
    progress = Progress("quiet" if quiet else "auto")
    with writing(run, new=False) as writer, TemporaryDirectory(dir=writer.scratch) as scratch:
        opened = Run.open(run, without={"index"})
        built = _built(opened, kind, tuning, Path(scratch), progress)
        _keep(opened, writer, built, target_recall)
    return None if built is None else built.audit


def _built(
    run: Run,
    kind: Wanted,
    tuning: Tuning,
    folder: Path,
    progress: Progress,
) -> Built | None:
    """The index to serve with; None: exact search."""
    if kind == "exact":
        return None
    model = ranker_of(run, index="exact")[1]
    if not has_vectors(model):
        raise RunError(f"{run.facts['model']} has no vectors: there is nothing to index")
    among = suited(int(model.items.known.sum())) if kind == "auto" else (kind,)
    asked = _asked(run, model, tuning.seed)
    best: Built | None = None
    for each in among:
        built = tuned(
            each,
            model.items,
            asked,
            folder / each,
            tuning,
            machine=machine_of(None, "auto"),
            progress=progress,
        )
        if best is None or built.gain > best.gain:
            best = built
        if best.gain >= ENOUGH:
            break
    if kind == "auto" and (best is None or best.gain < PAYS):
        progress.say("exact search it is: no index is faster for these items")
        return None
    return best


def _check(tuning: Tuning) -> None:
    if not 0 < tuning.target_recall <= 1:
        raise DataError(f"target_recall is a share above 0 and up to 1, not {tuning.target_recall}")
    for name in ("k", "size", "threads"):
        value = getattr(tuning, name)
        if value is not None and not 1 <= value < 2**31:  # Annoy takes 0 for "without end"
            raise DataError(f"{name} must be at least 1, not {value}, and below 2^31")
    check_seed(tuning.seed)


def _keep(run: Run, writer: Writer, built: Built | None, least: float) -> None:
    if built is None:
        if run.has("index"):
            writer.drop("index")
        writer.facts({"index": None})
        return
    with writer.file("index", "ann") as target:
        built.path.replace(target)
    writer.facts(
        {
            "index": {
                "kind": built.meta["kind"],
                "meta": built.meta,
                "effort": built.effort,
                "target_recall": least,
                "audit": asdict(built.audit),
                "tried": built.tried,
            }
        }
    )


def _asked(run: Run, model: VectorModel, seed: int) -> Asked:
    """Users drawn from those with a history in what was trained on, as they are served."""
    log, part = load_log(run)
    histories = log.interactions.keep(part < run.facts["trained"])
    there = np.flatnonzero(histories.events.sizes > 0)
    if len(there) > 2 * QUERIES:
        there = np.sort(rng(seed, "queries").choice(there, 2 * QUERIES, replace=False))
    drawn = histories.take_users(there)
    return Asked(model.users(drawn), None if run.facts.get("repeats") else drawn.events)
