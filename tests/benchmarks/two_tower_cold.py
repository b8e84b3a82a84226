"""Items that nobody touched, on Amazon Beauty: what a tower makes of their text and categories.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.two_tower_cold make [SEED ...]
    .venv/bin/python -m benchmarks.two_tower_cold valid [NAME=VALUE ...]

A seed draws a tenth of all items as cold: their events are taken out of what is trained on and out
of all histories. The last item of each user is the test, the one before it the valid part; a case
is a user with a history whose hidden item is cold, and only cold items are ranked, less those that
the user had before. The rival is text alone: TF-IDF vectors of title and categories, their IDF from
all items; the score is the cosine of an item's vector and the mean of the history's.
`make` does the trainings whose evidence is not there; figures are worked out from evidence alone.
`valid` tells what a setting is worth on the valid part, beside the rival.

Bar: cold_minus_text_low > 0, the lower end of the interval over users of recall@10 less the
rival's, all seeds together.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.harness import Bar, BenchError, at_least, commit, machine, outdated, say
from benchmarks.skipgram_corpora import shared
from benchmarks.skipgram_items import hits
from recembed import seed as seeds
from recembed.arrays import Mask, Rows, Vectors
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import Part, split
from recembed.metrics.intervals import Resamples
from recembed.models.registry import estimator
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import flat

FOLDER = Path(__file__).with_name("two_tower")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.two_tower_cold make"
SEEDS = (0, 1, 2)
SHARE = 10  # one item in so many is cold
TINY = 1e-12  # "above 0" as a bar that holds at its bound
WORD = r"(?u)\w+"  # on the valid part the rival finds more than with words of two letters and more

# Chosen on the valid part.
CHOSEN: dict[str, Any] = {
    "tower": "mean",
    "features.text": "title",
    "features.categories": "categories",
    "loss": "sampled",
    "loss.negatives": 1024,
    "loss.popular": 0.0,
    "features.id_dropout": 0.5,
    "score": "cosine",
    "temperature": 0.15,  # softer: at 0.07 it learns by heart after two epochs
    "batch_size": 1024,
    "learning_rate": 0.001,
    "epochs": 5,
}


@dataclass(frozen=True, eq=False)
class Cold:
    """What may be trained on, and what is asked.

    cold [n_items]. users, targets [n_cases]: rows of the log. had: what users took of cold items.
    """

    log: Log
    cold: Mask
    users: Rows
    targets: Rows
    had: Interactions


def cut(seed: int, on: Part) -> Cold:
    """The cases of a part, with the cold items of a seed."""
    found = split(read_log(shared("amazon-beauty")), "last:1", "last:1")
    log, events = found.log, found.log.interactions
    cold = np.zeros(events.n_items, bool)
    cold[seeds.rng(seed, "cold").permutation(len(cold))[: len(cold) // SHARE]] = True
    before, is_cold = found.part < found.code(on), cold[events.rows]
    warm = log.keep(before & ~is_cold)
    owner = events.events.owners()
    read = warm.interactions.events.sizes > 0
    asked = np.flatnonzero((found.part == found.code(on)) & is_cold & read[owner])
    return Cold(warm, cold, owner[asked], events.rows[asked], events.keep(before & is_cold))


def by_text(asked: Cold) -> Rows:
    """Places of the hidden items by their text alone."""
    about, events = asked.log.items, asked.log.interactions
    assert about is not None
    texts = about.column("text").to_pylist()  # title | category, category ...
    items = TfidfVectorizer(token_pattern=WORD).fit_transform(texts).astype(np.float32)
    ones = np.ones(len(events), np.float32)
    shape = (events.n_users, events.n_items)
    histories = sp.csr_matrix((ones, events.rows, events.events.offsets), shape=shape)
    queries = histories[asked.users] @ items  # a sum: the length of a query changes no order
    return places((queries @ items[asked.cold].T).toarray(), asked)


def by_tower(asked: Cold, values: Mapping[str, Any], seed: int, threads: int) -> tuple[Rows, float]:
    """Places of the hidden items, and the seconds that training took."""
    here, begin = Machine(threads=threads), time.perf_counter()
    tower = estimator("two-tower", values)
    model = tower.fit(asked.log, seed=seed, machine=here, progress=Progress("lines"))
    seconds = time.perf_counter() - begin
    queries = model.users(asked.log.interactions)[asked.users]
    return places(queries @ model.items.scored()[asked.cold].T, asked), seconds


def places(scores: Vectors, asked: Cold) -> Rows:
    """Place of each hidden item, from 1, behind equal scores. scores [n_cases, n_cold]."""
    at = np.cumsum(asked.cold) - 1
    had = asked.had.events.take(asked.users)
    scores[had.owners(), at[had.values]] = -np.inf
    own = scores[np.arange(len(scores)), at[asked.targets]]
    return (scores >= own[:, None]).sum(axis=1).astype(np.int32)


def setting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every hyperparameter, those left as they are too."""
    return flat(estimator("two-tower", values))


def make(seed: int, threads: int) -> None:
    """Train, ask and write: places first, then the JSON that says that they are there."""
    asked = cut(seed, "test")
    tower, seconds = by_tower(asked, CHOSEN, seed, threads)
    told = {
        "setting": setting(CHOSEN),
        "commit": commit(),
        "machine": machine(),
        "threads": threads,
        "seconds": round(seconds, 2),
        "cold_items": int(asked.cold.sum()),
        "cases": len(asked.users),
    }
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"cold-{seed}.npz"
    np.savez_compressed(file, tower=tower, text=by_text(asked), users=asked.users)
    file.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


def lacking(seed: int) -> str | None:
    """Why a seed has to be trained (again); None if its evidence stands."""
    return outdated(FOLDER / f"cold-{seed}.json", setting(CHOSEN))


def read(seed: int) -> Mapping[str, Rows]:
    """Evidence. Raises: BenchError if it is not there, or was made with another setting."""
    wrong = lacking(seed)
    if wrong:
        raise BenchError(f"cold items of seed {seed}: it {wrong}; {HOW}")
    return np.load(FOLDER / f"cold-{seed}.npz")  # type: ignore[no-any-return]


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The figures of the evidence; nothing is trained, however quick or often."""
    made = [read(seed) for seed in SEEDS]
    tower, text = (
        hits(np.concatenate([each[name] for each in made])) for name in ("tower", "text")
    )
    draws = Resamples(np.concatenate([each["users"] for each in made]), seed=0)
    ahead = draws.interval(tower - text)
    figures = {
        "cold_tower_recall10": float(tower.mean()),
        "cold_text_recall10": float(text.mean()),
        "cold_minus_text": ahead.mean,
        "cold_minus_text_high": ahead.high,
    }
    return figures, [at_least("cold_minus_text_low", ahead.low, TINY)]


def main(arguments: list[str]) -> None:
    """`make` or `valid`."""
    parser = argparse.ArgumentParser(prog="two_tower_cold")
    parser.add_argument("--threads", type=int, default=1)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("make").add_argument("seeds", nargs="*", type=int, default=SEEDS)
    verbs.add_parser("valid").add_argument("values", nargs="*", metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    if options.verb == "make":
        for seed in options.seeds:
            wrong = lacking(seed)
            if wrong:
                say(f"cold items of seed {seed}: it {wrong} ...")
                make(seed, options.threads)
        return
    values = CHOSEN | dict(each.split("=", 1) for each in options.values)
    asked = cut(SEEDS[0], "valid")
    tower, seconds = by_tower(asked, values, SEEDS[0], options.threads)
    both = f"recall10 {hits(tower).mean():.4f}, of text {hits(by_text(asked)).mean():.4f}"
    sys.stdout.write(f"{both}, {len(asked.users)} cases, seconds {seconds:.1f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
