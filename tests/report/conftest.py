"""A report with everything in it, written by hand: what a page has to show."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from recembed.metrics.intervals import Interval
from recembed.report.document import (
    Bias,
    Comparison,
    Curve,
    Example,
    Finding,
    ItemMap,
    Listed,
    Report,
    Search,
    Slice,
    Trial,
)

MODELS = {"item2vec": 0.168, "ease": 0.151, "item-knn": 0.139, "als <b>": 0.136, "popularity": 0.05}
KS, METRICS = (10, 20, 50), ("recall", "ndcg", "mrr", "hit_rate", "precision", "map")
# What people and catalogues write: each of these once broke somebody's page.
TITLES = (
    "<script>alert(1)</script>",
    'The "best" of O\'Neill & Söhne',
    "קפה שחור חזק",
    "Crème brûlée 🍮 </script><!--",
    "{{ 7 * 7 }} ${x} `y` | z",
)


def interval(mean: float, width: float = 0.008) -> Interval:
    return Interval(mean, mean - width, mean + width)


def item_map(n: int, title: str = "{} number {}") -> ItemMap:
    drawn = np.random.default_rng(1)
    group = drawn.integers(0, 14, n)
    centres = drawn.normal(0, 1, (14, 2))
    places = [centres[group] * spread + drawn.normal(0, 0.3, (n, 2)) for spread in (0.7, 2)]
    return ItemMap(
        model="item2vec",
        titles=tuple(
            TITLES[at] if at < len(TITLES) else title.format("Product", at) for at in range(n)
        ),
        categories=tuple(f"category {at}" for at in group),
        events=tuple(int(5000 / (at + 1) ** 0.6) + 1 for at in range(n)),
        pca=tuple(tuple(map(float, at)) for at in places[0].round(4)),
        tsne=tuple(tuple(map(float, at)) for at in places[1].round(4)),
    )


def search(n: int) -> Search:
    drawn = np.random.default_rng(2)
    trials = []
    for at in range(n):
        rate, dim = float(10 ** drawn.uniform(-3, 0)), int(drawn.choice([32, 64, 128]))
        value = 0.15 - 0.02 * abs(np.log10(rate) + 1.5) + 0.0001 * dim + drawn.normal(0, 0.003)
        stopped = at % 5 == 4
        trials.append(
            Trial(
                value=float("nan") if stopped else float(value),
                state="pruned" if stopped else "complete",
                seconds=3.5,
                setting={
                    "learning_rate": rate,
                    "dim": dim,
                    "loss": ["logistic", "softmax"][at % 2],
                    "recency.decay": float(drawn.uniform(0.8, 1)),
                },
            )
        )
    return Search("recall@10", 0.1, tuple(trials))


def index() -> dict[str, object]:
    ladder = [("dot", 500 * 2**at, 1 - 0.5 / (at + 1) ** 1.5, 9000 / 2**at) for at in range(6)]
    ladder += [("angular", 500 * 2**at, 1 - 0.3 / (at + 1) ** 2, 7000 / 2**at) for at in range(5)]
    names = ("metric", "effort", "recall", "queries_per_second")
    price = {"k": 10, "queries": 1000, "build_seconds": 3.2, "bytes": 40 << 20, "size": 50}
    price["exact_queries_per_second"] = 2100.0
    tried = [dict(zip(names, each, strict=True)) | price for each in ladder]
    kept = {name: tried[9][name] for name in ("recall", "queries_per_second", *price)}
    return {
        "kind": "annoy",
        "meta": {"kind": "annoy", "metric": "angular", "size": 50},
        "effort": tried[9]["effort"],
        "audit": kept,
        "tried": tried,
    }


def slices(models: dict[str, float]) -> tuple[Slice, ...]:
    shapes = {
        "history length": ("1 to 4", "5 to 19", "20 to 99", "100 and more"),
        "item popularity": ("head", "torso", "tail"),
        "user: city": (
            "Berlin",
            "Tel Aviv - תל אביב",
            "<i>Oslo</i>",
            "a city with a very long name",
        ),
    }
    return tuple(
        Slice(
            by=by,
            label=label,
            n_cases=4000 // (at + 1),
            n_targets=4100 // (at + 1),
            metric="recall@10",
            models={
                name: interval(mean * (1 - 0.15 * at), 0.006 * (at + 1))
                for name, mean in models.items()
            },
        )
        for by, labels in shapes.items()
        for at, label in enumerate(labels)
    )


def examples(models: dict[str, float], n: int) -> tuple[Example, ...]:
    return tuple(
        Example(
            user="u<42>" if at == 1 else None,
            history=(*TITLES[:3], "Espresso beans 1 kg", "Oat milk"),
            given=(TITLES[1],) if at % 2 else (),
            targets=(TITLES[3], "Filter paper"),
            lists={
                name: tuple(
                    Listed(TITLES[(rank + at) % 5] if rank < 4 else f"Product {rank}", rank == at)
                    for rank in range(10)
                )
                for name in models
            },
        )
        for at in range(n)
    )


def written(models: dict[str, float], *, points: int, trials: int, cases: int) -> Report:
    leads = sorted(models, key=lambda name: -models[name])
    grid = (1, 2, 5, 10, 20, 50, 100)
    return Report(
        metric="recall@10",
        models={
            name: {
                f"{metric}@{k}": interval(mean * (1 + at / 2) / (1 + row / 4))
                for at, k in enumerate(KS)
                for row, metric in enumerate(METRICS)
            }
            for name, mean in models.items()
        },
        details={
            name: {
                **{f"coverage@{k}": mean * k / 10 for k in KS},
                **{f"gini@{k}": 0.9 - mean for k in KS},
                **{f"novelty@{k}": 8 + 10 * mean for k in KS},
                **{f"popularity_lift@{k}": 2.4 - 9 * mean for k in KS},
                **{f"distance_by_vector@{k}": 0.5 + mean for k in KS},
                "tied_share": None if name == "popularity" else 0.01,
                "cases_per_second": 12_000.0,
            }
            for name, mean in models.items()
        },
        comparisons=tuple(
            Comparison("recall@10", a, b, interval(models[a] - models[b]), 1e-4, 3e-4)
            for a, b in combinations(leads, 2)
        ),
        ks=KS,
        n_cases=4805,
        n_clusters=1669,
        counts={"cases": 4805, "users": 1669, "targets_never_trained": 150},
        definitions={"recall@k": "targets among the first k / targets of the case"},
        setting={"test_rule": "time:-14d", "runs": {"data": "</pre><b>log.csv"}, "seed": 0},
        spread={leads[0]: {"recall@10": (0.166, 0.168, 0.17)}},
        findings=(Finding("note", "duplicates", "3 events are twice in the log"),),
        slices=slices(models),
        curves=tuple(
            Curve(
                metric,
                grid,
                {
                    name: tuple(interval(mean * np.log2(1 + k) / 3.46, 0.01) for k in grid)
                    for name, mean in models.items()
                },
            )
            for metric in ("recall", "ndcg")
        ),
        bias=Bias(
            labels=("head", "upper", "middle", "lower", "tail"),
            items=(0.01, 0.04, 0.1, 0.2, 0.65),
            targets=(0.22, 0.21, 0.2, 0.19, 0.18),
            models={
                name: tuple(np.array([0.6 - mean, 0.2, 0.1, 0.05, 0.05 + mean]).round(4).tolist())
                for name, mean in models.items()
            },
        ),
        map=item_map(points),
        examples=examples(models, cases),
        indices={name: index() for name in leads[:2]},
        searches={name: search(trials) for name in leads[:2]},
        commands=("recembed train 'log.csv' --model item2vec", "recembed evaluate run/ --metric x"),
        notes=("k 500 cut to the 100 items of the catalogue",),
    )


@pytest.fixture(scope="session")
def report() -> Report:
    """Five models and everything a report can have."""
    return written(MODELS, points=300, trials=30, cases=2)


@pytest.fixture(scope="session")
def bare(report: Report) -> Report:
    """One model, one user, one k, and nothing else."""
    only = {"recall@10": Interval(0.1, float("nan"), float("nan"))}
    return Report(
        metric="recall@10",
        models={"popularity": only},
        details={"popularity": {}},
        comparisons=(),
        ks=(10,),
        n_cases=3,
        n_clusters=1,
        counts={"cases": 3},
        definitions={},
        setting={},
    )


@pytest.fixture(scope="session")
def big() -> Report:
    """Ten models, 2,000 long titles on the map, a thousand trials."""
    models = {f"model number {at}": 0.2 - 0.01 * at for at in range(10)}
    made = written(models, points=2000, trials=500, cases=10)
    named = models | dict.fromkeys(models, 0.0)
    searches = {name: search(500) for name in named}
    indices = {name: index() for name in named}
    return replace(
        made,
        map=item_map(
            2000, "珈琲豆 🫘 of a very long name that goes on and on {} {}" + " and on" * 30
        ),
        searches=searches,
        indices=indices,
    )
