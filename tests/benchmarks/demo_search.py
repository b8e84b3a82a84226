"""Choose the demo's settings: the same number of random trials for every model, on valid baskets.

    .venv/bin/python tests/benchmarks/demo_search.py [RUN ...]

Trials are drawn by a fixed seed. Each model trains on what lies before the valid part, the two
weeks before the test part, and is measured on the valid baskets through exact search. The test
part is never read. All trials go into demo_search.json beside this file; an interrupted search
goes on where it stopped.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recembed.data.read import read_log
from recembed.data.split import split
from recembed.evaluation.answers import Measure
from recembed.evaluation.cases import cases
from recembed.evaluation.runner import evaluate
from recembed.models.popularity import Popularity, PopularityModel
from recembed.models.ranker import with_fallback
from recembed.models.registry import estimator
from recembed.models.stored import exact_ranker
from recembed.pipeline.demo import DATA, SETTINGS, TEST, VALID, model_of
from recembed.seed import rng

TRIALS, METRIC = 12, "recall@10"
RESULTS = Path(__file__).with_name("demo_search.json")
Draw = Callable[[np.random.Generator], Any]


def one_of(*values: Any) -> Draw:
    """Each value alike."""
    return lambda random: values[int(random.integers(len(values)))]


def between(low: float, high: float) -> Draw:
    """Evenly between two numbers."""
    return lambda random: round(float(random.uniform(low, high)), 4)


def log_between(low: float, high: float) -> Draw:
    """Evenly in the logarithm."""
    return lambda random: float(f"{math.exp(random.uniform(math.log(low), math.log(high))):.3g}")


PAST: dict[str, Draw] = {
    "recency.decay": between(0.94, 0.995),
    "recency.past": log_between(0.03, 0.5),
}
TOWERS: dict[str, Draw] = {
    "unit": one_of("group"),
    "features.categories": one_of("product_category", "product_category,product_type"),
    "features.uncovered": one_of("id-only"),  # two products sold are in no table
    "bias": one_of(True),
    "batch_size": one_of(256),
    "schedule": one_of("linear"),
    "average": one_of(0.0),
    "min_count": one_of(20, 30),
}
SPACES: dict[str, dict[str, Draw]] = {
    "popularity": {"days": log_between(2, 365)},
    "repeat": {"recency.decay": between(0.8, 1.0)},
    "item-knn": {
        "unit": one_of("group"),
        "similarity": one_of("cosine", "tfidf", "bm25"),
        "neighbours": one_of(100, 200, 400, 800),
        "k1": log_between(0.2, 5),
        "b": between(0, 0.75),
        **PAST,
    },
    "als": {
        "unit": one_of("group"),
        "dim": one_of(128, 192),
        "regularization": log_between(0.1, 30),
        "alpha": log_between(2, 30),
        "iterations": one_of(5, 8),
        **PAST,
    },
    "item2vec": {
        "unit": one_of("group"),
        "window": one_of(10),
        "dim": one_of(128, 192),
        "negatives": one_of(5, 8),
        "exponent": between(0, 0.5),
        "epochs": one_of(12, 16),
        "learning_rate": log_between(0.06, 0.12),
        "blend": log_between(1.5, 3),
        "min_count": one_of(3),
        "recency.decay": between(0.94, 0.98),
        "recency.past": log_between(0.05, 0.2),
        # forward CBOW lost by far in a few looks at baskets, whose items have no order
        "architecture": one_of("skip-gram"),
        "loss": one_of("logistic"),
        "shrink": one_of(True),
        "dropout": one_of(0.0),
    },
    "mean": {
        **TOWERS,
        "tower": one_of("mean"),
        "dim": one_of(64, 96),
        "epochs": one_of(2, 3),
        "learning_rate": log_between(0.005, 0.03),
        "dropout": one_of(0.0, 0.1),
        "reach": one_of(50),
        "features.id_dropout": one_of(0.0, 0.1),
        "tower.recency.decay": between(0.94, 0.995),
        "tower.recency.past": log_between(0.1, 0.5),
    },
    "transformer": {
        **TOWERS,
        "tower": one_of("transformer"),
        "dim": one_of(64),
        "epochs": one_of(1, 2),
        "learning_rate": log_between(0.002, 0.01),
        "reach": one_of(50),  # on one core, an epoch takes 45 s, and 114 s at 200
        "features.id_dropout": one_of(0.0, 0.1),
        "tower.blocks": one_of(1),
        "tower.heads": one_of(1, 2),
        "tower.dropout": between(0, 0.3),
    },
}


def main(names: list[str]) -> None:
    """Search, and print the best setting of each run."""
    log = read_log(DATA)
    parts = split(log, TEST, VALID)
    train, asked = parts.fitted("valid"), cases(parts, "valid")
    popular = Popularity().fit(train)
    for name in names or SPACES:
        trials = found_so_far().get(name, [])
        for trial in range(len(trials), TRIALS):
            random = rng(0, "demo-search", name, trial)
            values = {key: draw(random) for key, draw in SPACES[name].items()}
            begin = time.perf_counter()
            model = estimator(model_of(name), values).fit(train)
            seconds = time.perf_counter() - begin
            ranker = exact_ranker(model)
            if not isinstance(model, PopularityModel):
                ranker = with_fallback(ranker, popular)
            found = evaluate({name: ranker}, asked, Measure(True, (10,))).models[name]
            kept = {metric: round(found[metric].mean, 5) for metric in (METRIC, "ndcg@10")}
            trials.append({"setting": values, **kept, "train_seconds": round(seconds, 1)})
            results = found_so_far() | {name: trials}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            sys.stderr.write(f"{name} {trial + 1}/{TRIALS}: {kept} {seconds:.0f} s {values}\n")
        sys.stdout.write(f"{name}: {json.dumps(best(trials))}\n")


def found_so_far() -> dict[str, list[dict[str, Any]]]:
    """The trials of each run."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def best(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The setting with the highest metric."""
    chosen: dict[str, Any] = max(trials, key=lambda trial: trial[METRIC])["setting"]
    return chosen


if __name__ == "__main__":
    assert set(SPACES) == set(SETTINGS)
    main(sys.argv[1:])
