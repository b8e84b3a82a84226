"""Build a run's index and audit it against exact search."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from recembed.arrays import Vectors
from recembed.errors import DataError, RunError
from recembed.models.stored import has_vectors, ranker_of
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import VectorModel
from recembed.run.folder import Run, writing
from recembed.run.log import load_log
from recembed.search.audit import AnnoyTuning, Audit, best_annoy
from recembed.seed import rng

QUERIES = 1000  # users an audit asks: the standard error of its recall is below 0.01


def index(
    run: str | Path,
    *,
    kind: Literal["annoy", "exact"] = "annoy",
    target_recall: float = 0.95,
    k: int = 10,
    trees: int = 50,
    seed: int = 0,
    threads: int = 1,
    quiet: bool = False,
) -> Audit | None:
    """Build the index that RUN serves with, and store what it costs and finds.

    annoy: both of Annoy's ways to an inner product are built; the one that reaches target_recall
    on the run's own user vectors at the most queries/s is kept. exact: removes the Annoy index.
    threads: more than one builds faster, but not twice the same bytes.

    Raises: RunError if the model has no vectors; MissingExtra without annoy.
    """
    if kind not in ("annoy", "exact"):
        raise DataError(f"kind is 'annoy' or 'exact', not {kind!r}")
    if not 0 < target_recall <= 1:
        raise DataError(f"target_recall is a share above 0 and up to 1, not {target_recall}")
    for name, value in {"k": k, "trees": trees, "threads": threads}.items():
        if not 1 <= value < 2**31:  # Annoy takes 0 and less for "as you like", without end
            raise DataError(f"{name} must be at least 1, not {value}, and below 2^31")
    check_seed(seed)
    progress = Progress("quiet" if quiet else "auto")
    with writing(run, new=False) as writer:
        opened = Run.open(run, without={"index"})
        if kind == "exact":
            if opened.has("index"):
                writer.drop("index")
            writer.facts({"index": None})
            return None
        model = ranker_of(opened, index="exact")[1]
        if not has_vectors(model):
            raise RunError(f"{opened.facts['model']} has no vectors: there is nothing to index")
        tuning = AnnoyTuning(
            target_recall=target_recall,
            k=k,
            trees=trees,
            queries=QUERIES,
            seed=seed,
            threads=threads,
        )
        with TemporaryDirectory(dir=writer.scratch) as scratch:
            path, meta, search_k, audit, tried = best_annoy(
                model.items,
                _queries(opened, model, seed),
                Path(scratch),
                tuning,
                machine=machine_of(None, "auto"),
                progress=progress,
            )
            with writer.file("index", "ann") as target:
                path.replace(target)
        facts = {"kind": kind, "meta": meta, "search_k": search_k, "audit": asdict(audit)}
        writer.facts({"index": {**facts, "tried": tried}})
    return audit


def _queries(run: Run, model: VectorModel, seed: int) -> Vectors:
    """Vectors of users drawn from those with a history in what was trained on."""
    log, part = load_log(run)
    histories = log.interactions.keep(part < run.facts["trained"])
    there = np.flatnonzero(histories.events.sizes > 0)
    if len(there) > QUERIES:
        there = np.sort(rng(seed, "queries").choice(there, QUERIES, replace=False))
    return model.users(histories.take_users(there))
