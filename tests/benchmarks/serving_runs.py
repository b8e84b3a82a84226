"""Runs that are served in benchmarks; made once, under .bench/serving."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, say
from benchmarks.skipgram_corpora import shared
from recembed import seed as seeds
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.registry import estimator
from recembed.pipeline.train import train
from recembed.run.folder import writing
from recembed.run.log import store_log
from recembed.settings import as_dict

SCRATCH = ROOT / ".bench" / "serving"
CLUSTERS, SPREAD = 500, 0.7  # of made vectors: near neighbours exist, as among real items


def beauty(seed: int) -> Path:
    """item2vec on all of Amazon Beauty."""
    folder = SCRATCH / f"beauty-{seed}"
    if not (folder / "manifest.json").exists():
        train(shared("amazon-beauty"), folder, test=None, seed=seed, quiet=True)
    return folder


def made(n_items: int, dim: int, n_users: int, length: int = 30) -> Path:
    """An item2vec run whose vectors are drawn, not trained, so that it is there at once."""
    folder = SCRATCH / f"made-{n_items}-{dim}-{n_users}"
    if (folder / "manifest.json").exists():
        return folder
    say(f"serving: a run of {n_items:,} items x {dim} ...")
    random = seeds.rng(0, "made", n_items, dim)
    centres = random.standard_normal((CLUSTERS, dim), np.float32)
    cluster = random.integers(CLUSTERS, size=n_items)
    table = centres[cluster] + SPREAD * random.standard_normal((n_items, dim), np.float32)
    other = table + SPREAD * random.standard_normal((n_items, dim), np.float32)
    arrays = {"inputs": table, "outputs": other, "known": np.ones(n_items, np.uint8)}
    by_cluster = np.argsort(cluster, kind="stable").astype(np.int32)
    starts = np.searchsorted(cluster[by_cluster], np.arange(CLUSTERS + 1))
    mine = random.integers(CLUSTERS, size=n_users)  # each user takes items of one cluster
    sizes = np.diff(starts)[mine]
    at = starts[mine][:, None] + random.integers(1 << 30, size=(n_users, length)) % sizes[:, None]
    write(folder, by_cluster[at], n_items, arrays)
    return folder


def write(folder: Path, rows: np.ndarray, n_items: int, arrays: Mapping[str, Any]) -> None:
    """A run of histories [n_users, length] and the arrays of an item2vec model."""
    n_users, length = rows.shape
    events = Interactions(
        Vocabulary.numbered(n_users, "user"),
        Vocabulary.numbered(n_items, "item"),
        Sequences(rows.ravel(), np.arange(n_users + 1, dtype=np.int64) * length),
        order="position",
    )
    model = estimator("item2vec")
    with writing(folder, new=True) as writer:
        store_log(writer, Log(events), np.zeros(len(events), np.uint8))
        writer.arrays("model", arrays)
        facts = {"model": model.name, "setting": as_dict(model), "repeats": False, "trained": 1}
        writer.facts(facts)
