"""The baselines, each tuned on the valid part as hard as any model, on the test part.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.evaluation_baselines make ['beauty-*' ...]
    .venv/bin/python -m benchmarks.evaluation_baselines valid beauty ease [regularization=50 ...]

Leave-one-out: the last item of each user is the test, the one before it the valid part, and a model
trains on all that comes before; all items it trained on are ranked, those of the history left out.
`make` does the trainings whose evidence is not there; figures are worked out from evidence alone.
`valid` tells what a setting is worth on the valid part. Each training is asked twice: as it was
chosen, and "plain", with every event of a history weighing the same, as papers ask baselines.

Bars: als_beauty_ndcg10 >= .039, knn_beauty_ndcg10 >= .042, ease_beauty_ndcg10 >= .044,
ials_beauty_ndcg10 >= .039, means over seeds.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.evaluation_baselines_settings import ELSEWHERE, SETTINGS
from benchmarks.harness import Bar, BenchError, at_least, commit, machine, outdated, say
from benchmarks.skipgram_corpora import shared
from benchmarks.skipgram_evidence import FOLDER as SKIPGRAM
from benchmarks.skipgram_items import gains
from recembed.arrays import PerCase
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import Part, split
from recembed.evaluation.answers import Measure, ask
from recembed.evaluation.cases import Cases, cases
from recembed.metrics.accuracy import ndcg, recall
from recembed.metrics.intervals import Resamples
from recembed.metrics.places import Places
from recembed.models.registry import estimator, restore
from recembed.models.stored import exact_ranker
from recembed.progress import QUIET
from recembed.protocols import Machine
from recembed.settings import flat

FOLDER = Path(__file__).with_name("evaluation")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.evaluation_baselines make"
DATA = {"ml100k": "ml-100k", "ml1m": "ml-1m", "beauty": "amazon-beauty"}
DEPTH = 100  # of the lists
VARIANTS = ("chosen", "plain")
SEEDS = {"als": 3, "ials": 3, "bpr": 3}  # the others start from nothing random
THREADS = {"bpr": 1}  # with more, no two trainings of BPR are alike

SHORT = {"item-knn": "knn"}


@dataclass(frozen=True)
class Training:
    """One model on one log from one seed, and its evidence."""

    model: str
    data: str
    seed: int

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"{self.data}-{self.model}-{self.seed}"

    @property
    def setting(self) -> dict[str, Any]:
        """Every hyperparameter, those left as they are too."""
        return flat(estimator(self.model, SETTINGS[self.model][self.data]))

    def lacking(self) -> str | None:
        """Why it has to be trained (again); None if its evidence stands."""
        return outdated(FOLDER / f"{self.name}.json", self.setting)

    def make(self) -> None:
        """Train, ask and write: places first, then the JSON that says that they are there."""
        found, seconds = answers(self.model, self.data, self.setting, self.seed, "test")
        arrays = {
            f"{variant}_{name}": getattr(places, name)
            for variant, places in found.items()
            for name in ("above", "tied")
        }
        told = {
            "setting": self.setting,
            "commit": commit(),
            "machine": machine(),
            "seconds": round(seconds, 2),
        }
        FOLDER.mkdir(exist_ok=True)
        np.savez_compressed(FOLDER / f"{self.name}.npz", **arrays)
        (FOLDER / f"{self.name}.json").write_text(json.dumps(told, indent=1) + "\n")

    def read(self) -> tuple[dict[str, Places], float]:
        """Places by variant, and the seconds that training took.

        Raises: BenchError if it is not there, or was made with another setting.
        """
        wrong = self.lacking()
        if wrong:
            raise BenchError(f"{self.name} {wrong}; {HOW}")
        arrays = np.load(FOLDER / f"{self.name}.npz")
        found = {
            variant: of_one_target(arrays[f"{variant}_above"], arrays[f"{variant}_tied"])
            for variant in VARIANTS
        }
        return found, json.loads((FOLDER / f"{self.name}.json").read_text())["seconds"]


def trainings() -> Iterator[Training]:
    """All there are."""
    for model, settings in SETTINGS.items():
        for data in settings:
            for seed in range(SEEDS.get(model, 1)):
                yield Training(model, data, seed)


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The figures of the evidence; nothing is trained, however quick or often."""
    figures: dict[str, float] = {}
    for model, settings in SETTINGS.items():
        for data in settings:
            label = f"{SHORT.get(model, model)}_{data}"
            made = [each.read() for each in trainings() if (each.model, each.data) == (model, data)]
            for variant in VARIANTS:
                stem = label if variant == "chosen" else f"{label}_plain"
                figures |= _figures(stem, [found[variant] for found, _ in made])
            if (model, data) in ELSEWHERE:
                figures[f"{label}_elsewhere_ndcg10"] = ELSEWHERE[model, data]
            figures[f"{label}_train_seconds"] = max(seconds for _, seconds in made)
            figures |= _lead(label, data, [found["chosen"] for found, _ in made])
    bounds = {"als": 0.039, "knn": 0.042, "ease": 0.044, "ials": 0.039}
    bars = [
        at_least(f"{name}_beauty_ndcg10", figures.pop(f"{name}_beauty_ndcg10"), bound)
        for name, bound in bounds.items()
    ]
    return figures, bars


def _figures(label: str, seeds: list[Places]) -> dict[str, float]:
    """Means over seeds and users, the interval over users of the mean over seeds."""
    gains: PerCase = np.mean([ndcg(places, 10) for places in seeds], axis=0)
    hits: PerCase = np.mean([recall(places, 10) for places in seeds], axis=0)
    sure = Resamples(np.arange(len(gains)), seed=0).interval(gains)
    return {
        f"{label}_ndcg10": sure.mean,
        f"{label}_ndcg10_low": sure.low,
        f"{label}_ndcg10_high": sure.high,
        f"{label}_hr10": float(hits.mean()),
    }


def _lead(label: str, data: str, seeds: list[Places]) -> dict[str, float]:
    """How far item2vec, as chosen on the valid part, is ahead on the same users."""
    ours = [gains(np.load(SKIPGRAM / f"{data}-chosen-{seed}.npz")["places"]) for seed in range(3)]
    ahead = np.mean(ours, axis=0) - np.mean([ndcg(places, 10) for places in seeds], axis=0)
    sure = Resamples(np.arange(len(ahead)), seed=0).interval(ahead)
    name = f"item2vec_minus_{label}_ndcg10"
    return {name: sure.mean, f"{name}_low": sure.low, f"{name}_high": sure.high}


def answers(
    model: str, data: str, values: Mapping[str, Any], seed: int, on: Part
) -> tuple[dict[str, Places], float]:
    """Where the hidden items stand, by variant, and the seconds that training took."""
    log, asked = cut(data, on)
    chosen = estimator(model, values)
    here = Machine(threads=THREADS.get(model, 2))
    with threadpool_limits(here.threads):
        begin = time.perf_counter()
        fitted = chosen.fit(log, seed=seed, machine=here)
        seconds = time.perf_counter() - begin
        even = flat(chosen) | ({"recency.decay": 1.0} if hasattr(chosen, "recency") else {})
        plain = restore(model, even, log.interactions.items, fitted.arrays(), here)
        variants = dict(zip(VARIANTS, (fitted, plain), strict=True))
        wanted = Measure(repeats=False, ks=(DEPTH,))
        found = {
            name: ask(name, exact_ranker(each, here), asked, wanted, None, QUIET).places
            for name, each in variants.items()
        }
    return found, seconds


def of_one_target(above: np.ndarray, tied: np.ndarray) -> Places:
    """Places of cases that hide one item each."""
    return Places(np.arange(len(above) + 1), above, tied, DEPTH)


@lru_cache
def cut(data: str, on: Part) -> tuple[Log, Cases]:
    """What may be trained on, and what is asked."""
    found = split(read_log(shared(DATA[data])), "last:1", "last:1")
    return found.fitted(on), cases(found, on)


def main(arguments: list[str]) -> None:
    """`make` or `valid`."""
    parser = argparse.ArgumentParser(prog="evaluation_baselines")
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="train what has no evidence")
    maker.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    asker = verbs.add_parser("valid", help="a setting on the valid part")
    asker.add_argument("data", choices=DATA)
    asker.add_argument("model", choices=SETTINGS)
    asker.add_argument("values", nargs="*", metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    if options.verb == "make":
        for each in trainings():
            wrong = each.lacking()
            if wrong and any(fnmatch(each.name, pattern) for pattern in options.patterns):
                say(f"{each.name} {wrong} ...")
                each.make()
        return
    values = SETTINGS[options.model].get(options.data, {}) | dict(
        each.split("=", 1) for each in options.values
    )
    found, seconds = answers(options.model, options.data, values, 0, "valid")
    for variant, places in found.items():
        hit, gain = recall(places, 10).mean(), ndcg(places, 10).mean()
        print(f"{variant} hr10 {hit:.4f} ndcg10 {gain:.4f} seconds {seconds:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
