"""Items that nobody touched, on Amazon Beauty: what a content head makes of their text.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.text_cold make [SEED ...]
    .venv/bin/python -m benchmarks.text_cold valid MODEL [NAME=VALUE ...]

Cold items and cases are those of two_tower_cold. An encoder learns from the texts of all items
(title and categories); the content head of each model learns from the items that it was trained
with, and places the cold ones; a two-tower model has learned to read titles and categories itself.
The rival is text alone, with the very same vectors: the score is the product of an item's vector
and the mean of the history's. Settings were chosen on the valid part, with other cold items than
those of the test.

Beside them, without a bar, the rival with every word of the texts (TF-IDF as it is, which no model
here reads): "words", of the evidence of two_tower_cold, whose cases are the same.

Bars: cold_item2vec_minus_text_low, cold_als_minus_text_low and cold_tower_minus_text_low > 0, the
lower end of the interval over users of nDCG@10 less the rival's, all seeds together.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks import two_tower_cold
from benchmarks.harness import Bar, BenchError, at_least, commit, machine, outdated, say
from benchmarks.two_tower_cold import TINY, Cold, cut, places
from recembed.arrays import Rows, Vectors, unit
from recembed.data.log import Log
from recembed.data.split import Part
from recembed.metrics.intervals import Resamples
from recembed.models.registry import estimator
from recembed.models.stored import has_vectors
from recembed.models.text_items import ItemTexts, texts_of
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import flat
from recembed.text.encoding import encoded
from recembed.text.registry import text_estimator
from recembed.text.texts import Texts

FOLDER = Path(__file__).with_name("text_cold")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.text_cold make"
SEEDS = (0, 1, 2)
OTHERS = 100  # added to a seed where something is chosen: other items are cold
COLUMNS = ("title", "categories")
TOP = 10

# Chosen on the valid part.
ENCODER: tuple[str, dict[str, Any]] = ("tf-idf", {"terms": "words", "dim": 1024})
CHOSEN: dict[str, tuple[str, dict[str, Any]]] = {
    "item2vec": (
        "item2vec",
        # of rarely seen items alike, an input vector says more than an output vector
        {"negatives": 256, "epochs": 80, "recency.decay": 0.8, "blend": 0.5},
    ),
    "als": ("als", {"dim": 256, "alpha": 30.0, "recency.decay": 0.4}),
    "tower": ("two-tower", two_tower_cold.CHOSEN | {"features.pretrain": 20}),
}


def ndcg(places: Rows) -> np.ndarray:
    """nDCG@10 of one hidden item a case, float64 [n_cases]."""
    return np.where(places <= TOP, 1 / np.log2(places + 1.0), 0.0)


@cache
def vectors(seed: int, on: Part) -> tuple[Cold, Vectors]:
    """The cases, and the vectors of all items' texts."""
    asked = cut(seed, on)
    return asked, encoded_items(asked.log)


def encoded_items(log: Log) -> Vectors:
    """By an encoder that learned from these very texts, of length 1."""
    assert log.items is not None
    texts = texts_of(log.items, COLUMNS)
    name, values = ENCODER
    encoder = text_estimator(name, values).fit(Texts(held=texts), machine=Machine(threads=1))
    return unit(encoded(encoder, texts).vectors)


def by_text(asked: Cold, texts: Vectors) -> Rows:
    """Places of the hidden items by the mean vector of the history's texts."""
    events = asked.log.interactions
    shape, ones = (events.n_users, events.n_items), np.ones(len(events), np.float32)
    histories = sp.csr_matrix((ones, events.rows, events.events.offsets), shape=shape)
    queries = histories[asked.users] @ texts  # a sum: the length of a query changes no order
    return places(queries @ texts[asked.cold].T, asked)


def by_model(
    asked: Cold, texts: Vectors, name: str, values: Mapping[str, Any], seed: int
) -> tuple[Rows, float]:
    """Places of the hidden items, and the seconds that training took."""
    begin = time.perf_counter()
    made = estimator(name, values)
    model = made.fit(asked.log, seed=seed, machine=Machine(threads=1), progress=Progress("lines"))
    seconds = time.perf_counter() - begin
    assert has_vectors(model)
    whole = ItemTexts.of(texts, model).beside(model)
    queries = whole.users(asked.log.interactions)[asked.users]
    return places(queries @ whole.items.scored()[asked.cold].T, asked), seconds


def setting() -> dict[str, Any]:
    """Every hyperparameter, those left as they are too."""
    found = {f"text.{key}": each for key, each in flat(text_estimator(*ENCODER)).items()}
    for name, chosen in CHOSEN.items():
        found |= {f"{name}.{key}": each for key, each in flat(estimator(*chosen)).items()}
    return found


def make(seed: int) -> None:
    """Train, ask and write: places first, then the JSON that says that they are there."""
    asked, texts = vectors(seed, "test")
    found, seconds = {"text": by_text(asked, texts)}, {}
    for name, (model, values) in CHOSEN.items():
        found[name], seconds[name] = by_model(asked, texts, model, values, seed)
    told = {
        "setting": setting(),
        "commit": commit(),
        "machine": machine(),
        "seconds": {name: round(each, 2) for name, each in seconds.items()},
        "cold_items": int(asked.cold.sum()),
        "cases": len(asked.users),
    }
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{seed}.npz"
    np.savez_compressed(file, users=asked.users, **found)
    file.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


def lacking(seed: int) -> str | None:
    """Why a seed has to be trained (again); None if its evidence stands."""
    return outdated(FOLDER / f"{seed}.json", setting())


def read(seed: int) -> Mapping[str, Rows]:
    """Evidence. Raises: BenchError if it is not there, or was made with another setting."""
    wrong = lacking(seed)
    if wrong:
        raise BenchError(f"cold items of seed {seed}: it {wrong}; {HOW}")
    return np.load(FOLDER / f"{seed}.npz")  # type: ignore[no-any-return]


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The figures of the evidence; nothing is trained, however quick or often."""
    made = [read(seed) for seed in SEEDS]
    draws = Resamples(np.concatenate([each["users"] for each in made]), seed=0)
    values = {
        name: ndcg(np.concatenate([each[name] for each in made])) for name in ("text", *CHOSEN)
    }
    figures, bars = {"cold_text_ndcg10": float(values["text"].mean())}, []
    for name in CHOSEN:
        ahead = draws.interval(values[name] - values["text"])
        figures[f"cold_{name}_ndcg10"] = float(values[name].mean())
        figures[f"cold_{name}_minus_text"] = ahead.mean
        figures[f"cold_{name}_minus_text_high"] = ahead.high
        bars.append(at_least(f"cold_{name}_minus_text_low", ahead.low, TINY))
    words = ndcg(np.concatenate([two_tower_cold.read(seed)["text"] for seed in SEEDS]))
    figures["cold_words_ndcg10"] = float(words.mean())
    for name in CHOSEN:
        ahead = draws.interval(values[name] - words)
        figures[f"cold_{name}_minus_words"] = ahead.mean
        figures[f"cold_{name}_minus_words_low"] = ahead.low
        figures[f"cold_{name}_minus_words_high"] = ahead.high
    return figures, bars


def main(arguments: list[str]) -> None:
    """`make` or `valid`."""
    parser = argparse.ArgumentParser(prog="text_cold")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("make").add_argument("seeds", nargs="*", type=int, default=SEEDS)
    valid = verbs.add_parser("valid")
    valid.add_argument("model", choices=[*CHOSEN])
    valid.add_argument("values", nargs="*", metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    if options.verb == "make":
        for seed in options.seeds:
            wrong = lacking(seed)
            if wrong:
                say(f"cold items of seed {seed}: it {wrong} ...")
                make(seed)
        return
    name, chosen = CHOSEN[options.model]
    values = chosen | dict(each.split("=", 1) for each in options.values)
    asked, texts = vectors(OTHERS, "valid")
    found, seconds = by_model(asked, texts, name, values, 0)
    both = f"ndcg10 {ndcg(found).mean():.4f}, of text {ndcg(by_text(asked, texts)).mean():.4f}"
    sys.stdout.write(f"{both}, {len(asked.users)} cases, seconds {seconds:.1f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
