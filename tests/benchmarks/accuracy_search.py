"""The searches on valid parts that the presets come from, by `recembed tune`.

    PYTHONPATH=tests .venv/bin/python -m benchmarks.accuracy_search [dense ...] [--threads 2]

Each begins at its preset and looks around it; what it found is kept in `accuracy/search-NAME.json`,
the trials under `.bench/search/NAME`, where a search that was stopped goes on.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy import BARRED
from benchmarks.accuracy_data import DATA
from benchmarks.accuracy_evidence import FOLDER
from benchmarks.accuracy_settings import PRESETS
from benchmarks.harness import ROOT, say
from benchmarks.skipgram_corpora import shared
from recembed.pipeline.tune import tune
from recembed.pipeline.tuned import Tuned


@dataclass(frozen=True)
class Look:
    """Where a search looks around a preset. The rest as `recembed tune` takes it."""

    space: Mapping[str, str]
    trials: int
    sample: float = 0.1
    finalists: int = 1


SEARCHES: dict[str, Look] = {
    "dense": Look(
        {
            "tower.dropout": "0.1..0.3",
            "learning_rate": "0.0005..0.002:log",
            "batch_size": "32,48,64",
            "epochs": "20..40",
        },
        trials=10,
    ),
    "sparse": Look(
        {
            "dim": "64,96,128",
            "tower.dropout": "0.3..0.6",
            "learning_rate": "0.001..0.004:log",
            "batch_size": "128,256,512",
        },
        trials=8,
        sample=0.2,
    ),
    "unordered": Look(
        {
            "given": "0.2..0.6",
            "temperature": "0.06..0.15:log",
            "dropout": "0.1..0.4",
        },
        trials=8,
        sample=0.3,
    ),
    "baskets": Look(
        {
            "tower.recency.decay": "0.94..0.99",
            "tower.recency.past": "0.1..0.6:log",
            "habits.weight": "0.02..0.1:log",
            "dim": "64,128",
            "dropout": "0..0.3",
            "learning_rate": "0.0005..0.002:log",
        },
        trials=16,
        sample=1.0,
    ),
}
METRICS = {"baskets": "recall@10"}  # as the bars ask; the others are judged by nDCG


def search(preset: str, threads: int) -> Tuned:
    """Go through with it, and keep what it found."""
    look, data = SEARCHES[preset], DATA[next(name for name in BARRED if PRESETS[name] == preset)]
    found = tune(
        data.source if data.source.startswith("dataset:") else shared(data.source),
        ROOT / ".bench" / "search" / preset,
        preset=preset,
        trials=look.trials,
        metric=METRICS.get(preset, f"ndcg@{data.k}"),
        sample=look.sample,
        finalists=look.finalists,
        space=look.space,
        only=tuple(look.space),
        test=data.test,
        valid=data.valid,
        columns={} if data.part is None else {"part": data.part},
        seen="allow" if data.repeats else "exclude",
        threads=threads,
        device="cpu",
    )
    found.write(kept(preset))
    return found


def kept(preset: str) -> Path:
    """The file of what a search found."""
    return FOLDER / f"search-{preset}.json"


def main(arguments: list[str]) -> None:
    """Those that are named, one after the other."""
    parser = argparse.ArgumentParser(prog="accuracy_search")
    parser.add_argument("presets", nargs="*", choices=[*SEARCHES, []], metavar="PRESET")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    for preset in options.presets or SEARCHES:
        found = search(preset, options.threads)
        say(f"{preset}: {found.metric} {found.value:.4f} {dict(found.set)}")


if __name__ == "__main__":
    main(sys.argv[1:])
