"""What two-tower models are worth on Amazon Beauty: three seeds on the test part, and each choice.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.two_tower_quality make [SEED ...]
    .venv/bin/python -m benchmarks.two_tower_quality valid [NAME=VALUE ...]
    .venv/bin/python -m benchmarks.two_tower_quality choices [ROW ...]

Leave-one-out, as for the baselines: the last item of each user is the test, the one before it the
valid part, and a model trains on all that comes before; all items are ranked, those of the history
left out. `make` does the trainings whose evidence is not there; figures come from evidence alone.
`valid` tells what a setting is worth on the valid part. `choices` trains each row of the table of
choices on the valid part, one seed, and keeps it in two_tower_choices.json.

Bars, means over seeds: beauty_hr10 >= .0921, beauty_ndcg10 >= .0531; and
beauty_minus_best_baseline_low > 0, the lower end of the interval over users of nDCG@10 less that of
the baseline with the highest nDCG@10 on the same users.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import evaluation_baselines as baselines
from benchmarks.evaluation_baselines import DEPTH, cut, of_one_target
from benchmarks.harness import Bar, BenchError, at_least, commit, machine, outdated, say
from recembed.data.split import Part
from recembed.evaluation.answers import Measure, ask
from recembed.metrics.accuracy import ndcg, recall
from recembed.metrics.intervals import Resamples
from recembed.metrics.places import Places
from recembed.models.registry import estimator
from recembed.models.stored import exact_ranker
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import flat

FOLDER = Path(__file__).with_name("two_tower")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.two_tower_quality make"
DATA, MODEL = "beauty", "two-tower"
SEEDS = (0, 1, 2)
TINY = 1e-12  # "above 0" as a bar that holds at its bound

CHOSEN: dict[str, Any] = {"tower.dropout": 0.5, "epochs": 40}  # on the valid part


def setting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every hyperparameter, those left as they are too."""
    return flat(estimator(MODEL, values))


def answers(values: Mapping[str, Any], seed: int, on: Part, threads: int) -> tuple[Places, float]:
    """Where the hidden items stand, and the seconds that training took."""
    log, asked = cut(DATA, on)
    here = Machine(threads=threads)
    begin = time.perf_counter()
    model = estimator(MODEL, values).fit(log, seed=seed, machine=here, progress=Progress("lines"))
    seconds = time.perf_counter() - begin
    wanted, ranker = Measure(repeats=False, ks=(DEPTH,)), exact_ranker(model, here)
    return ask(MODEL, ranker, asked, wanted, None, Progress("quiet")).places, seconds


def make(seed: int, threads: int) -> None:
    """Train, ask and write: places first, then the JSON that says that they are there."""
    places, seconds = answers(CHOSEN, seed, "test", threads)
    told = {
        "setting": setting(CHOSEN),
        "commit": commit(),
        "machine": machine(),
        "threads": threads,
        "seconds": round(seconds, 2),
    }
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{DATA}-{seed}.npz", above=places.above, tied=places.tied)
    (FOLDER / f"{DATA}-{seed}.json").write_text(json.dumps(told, indent=1) + "\n")


def lacking(seed: int) -> str | None:
    """Why a seed has to be trained (again); None if its evidence stands."""
    return outdated(FOLDER / f"{DATA}-{seed}.json", setting(CHOSEN), setting({}))


def read(seed: int) -> tuple[Places, dict[str, Any]]:
    """Evidence. Raises: BenchError if it is not there, or was made with another setting."""
    wrong = lacking(seed)
    if wrong:
        raise BenchError(f"seed {seed} {wrong}; {HOW}")
    arrays = np.load(FOLDER / f"{DATA}-{seed}.npz")
    told = json.loads((FOLDER / f"{DATA}-{seed}.json").read_text())
    return of_one_target(arrays["above"], arrays["tied"]), told


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The figures of the evidence; nothing is trained, however quick or often."""
    made = [read(seed) for seed in SEEDS]
    places = [each for each, _ in made]
    gains = np.mean([ndcg(each, 10) for each in places], axis=0)
    hits = np.mean([recall(each, 10) for each in places], axis=0)
    draws = Resamples(np.arange(len(gains)), seed=0)
    sure, rivals = draws.interval(gains), _rivals()
    best = max(rivals, key=lambda name: rivals[name].mean())
    ahead = draws.interval(gains - rivals[best])
    item2vec = draws.interval(gains - _item2vec())
    figures = {
        "beauty_ndcg10_low": sure.low,
        "beauty_ndcg10_high": sure.high,
        "beauty_train_seconds": max(told["seconds"] for _, told in made),
        f"beauty_minus_{best}": ahead.mean,
        f"beauty_minus_{best}_high": ahead.high,
        "beauty_minus_item2vec": item2vec.mean,
        "beauty_minus_item2vec_low": item2vec.low,
        "beauty_minus_item2vec_high": item2vec.high,
    }
    figures |= {f"beauty_ndcg10_of_{name}": float(each.mean()) for name, each in rivals.items()}
    bars = [
        at_least("beauty_hr10", float(hits.mean()), 0.0921),
        at_least("beauty_ndcg10", sure.mean, 0.0531),
        at_least("beauty_minus_best_baseline_low", ahead.low, TINY),
    ]
    return figures, bars


def _rivals() -> dict[str, np.ndarray]:
    """nDCG@10 of each tuned baseline, a mean over its seeds, [n_cases]."""
    found: dict[str, list[np.ndarray]] = {}
    for each in baselines.trainings():
        if each.data == DATA:
            places, _ = each.read()
            found.setdefault(each.model, []).append(ndcg(places["chosen"], 10))
    return {name: np.mean(seeds, axis=0) for name, seeds in found.items()}


def _item2vec() -> np.ndarray:
    files = (baselines.SKIPGRAM / f"{DATA}-chosen-{seed}.npz" for seed in SEEDS)
    return np.mean([baselines.gains(np.load(file)["places"]) for file in files], axis=0)


# Rows of the README's table: what differs from CHOSEN, all but the first after half of the epochs.
HALF = {"epochs": CHOSEN["epochs"] // 2}
POOLED = {"dropout": CHOSEN["tower.dropout"]}
SAMPLED = {"loss": "sampled", "loss.negatives": 1024, "loss.popular": 0.0}
ABOUT = {"features.categories": "categories", "features.text": "title"}
CHOICES: dict[str, dict[str, Any]] = {
    "as chosen": {},
    "half of the epochs, like all rows below": HALF,
    "tower: attention pooling": HALF | POOLED | {"tower": "attention"},
    "tower: weighted mean": HALF | POOLED | {"tower": "mean"},
    "tower: one block": HALF | {"tower.blocks": 1},
    "loss: sampled softmax, 1024 negatives": HALF | SAMPLED,
    "loss: sampled softmax, 128 negatives": HALF | SAMPLED | {"loss.negatives": 128},
    "loss: sampled softmax, 1024, half popular": HALF | SAMPLED | {"loss.popular": 0.5},
    "the same, log-q not corrected": HALF | SAMPLED | {"loss.popular": 0.5, "loss.correct": False},
    "loss: gBCE, 256 negatives": HALF | {"loss": "gbce"},
    "loss: in-batch softmax": HALF | {"loss": "in-batch"},
    "loss: BCE, one negative": HALF | {"loss": "bce"},
    "each prefix by itself": HALF | {"tower.predict": "last"},
    "no average of weights": HALF | {"average": 0.0},
    "titles and categories, id dropout 0": HALF | ABOUT | {"features.id_dropout": 0.0},
    "titles and categories, id dropout .2": HALF | ABOUT | {"features.id_dropout": 0.2},
}
TABLE = Path(__file__).with_name("two_tower_choices.json")


def choose(row: str, threads: int) -> dict[str, Any]:
    """A row of the table."""
    changes = CHOICES[row]  # another tower has not the fields of the chosen one
    kept = {name: value for name, value in CHOSEN.items() if name.partition(".")[0] not in changes}
    places, seconds = answers(kept | changes, 0, "valid", threads)
    return {
        "set": changes,
        "hr10": round(float(recall(places, 10).mean()), 5),
        "ndcg10": round(float(ndcg(places, 10).mean()), 5),
        "seconds": round(seconds, 1),
        "threads": threads,
        "commit": commit(),
    }


def main(arguments: list[str]) -> None:
    """`make`, `valid` or `choices`."""
    parser = argparse.ArgumentParser(prog="two_tower_quality")
    parser.add_argument("--threads", type=int, default=2)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("make").add_argument("seeds", nargs="*", type=int, default=SEEDS)
    verbs.add_parser("valid").add_argument("values", nargs="*", metavar="NAME=VALUE")
    verbs.add_parser("choices").add_argument("rows", nargs="*", default=list(CHOICES))
    options = parser.parse_args(arguments)
    if options.verb == "make":
        for seed in options.seeds:
            wrong = lacking(seed)
            if wrong:
                say(f"seed {seed} {wrong} ...")
                make(seed, options.threads)
    elif options.verb == "valid":
        values = CHOSEN | dict(each.split("=", 1) for each in options.values)
        places, seconds = answers(values, 0, "valid", options.threads)
        hit, gain = recall(places, 10).mean(), ndcg(places, 10).mean()
        sys.stdout.write(f"hr10 {hit:.4f} ndcg10 {gain:.4f} seconds {seconds:.1f}\n")
    else:
        for row in options.rows:
            found = choose(row, options.threads)
            kept = json.loads(TABLE.read_text()) if TABLE.exists() else {}
            TABLE.write_text(json.dumps(kept | {row: found}, indent=1) + "\n")
            sys.stdout.write(f"{row}: {found['hr10']:.4f} / {found['ndcg10']:.4f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
