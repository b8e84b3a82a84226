"""What the vectors are worth: against gensim with equal settings, and of the product's item2vec.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.skipgram_quality make ['ml1m-*' ...] [--saved DIR]
    .venv/bin/python -m benchmarks.skipgram_quality valid ml1m [dim=64 ...]

`make` does the trainings whose evidence is not there, hours of them; the figures are worked out
from the evidence alone. --saved: gensim's word vectors that were trained before, as
DIR/ARCHITECTURE-SEED.kv, with their seconds in DIR.log. `valid` tells what a setting is worth on
the valid part.

Bars, means of three seeds: recall10_vs_gensim_ml1m and _beauty >= -0.002; words_vs_gensim >= 0 and
words_vs_gensim_least >= -0.02; tuned_vs_word2vec_defaults >= 1 (relative nDCG@10, the smaller of
ML-1M and Beauty); ml1m_hr10 >= .284, ml1m_ndcg10 >= .166, ml1m_train_seconds <= 60 (of the slowest
seed), beauty_ndcg10 >= .050, ml100k_ndcg10 >= .101.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import skipgram_items as items
from benchmarks import skipgram_words as words
from benchmarks.harness import Bar, at_least, at_most, say
from benchmarks.skipgram_evidence import Made, lacking, read, stem, write
from benchmarks.skipgram_peer import same
from recembed.arrays import Rows
from recembed.metrics.intervals import Resamples

SEEDS = (0, 1, 2)
SYSTEMS = ("recembed", "gensim")
Figures = tuple[dict[str, float], list[Bar]]


@dataclass(frozen=True)
class Training:
    """One of the long runs but for its seed, and everything that it depends on."""

    part: str
    system: str
    setting: Mapping[str, Any]
    make: Callable[[int], Made]

    def read(self) -> list[Made]:
        """The evidence of every seed."""
        return [read(stem(self.part, self.system, seed), self.setting) for seed in SEEDS]


def trainings(saved: Path | None = None) -> dict[tuple[str, str], Training]:
    """All there are, by part and system."""
    engine, recency = asdict(items.EQUAL), {"recency": asdict(items.EQUAL_RECENCY)}
    peer = same(items.EQUAL, 1, {}) | recency
    found = []
    for data in ("ml1m", "beauty"):
        ours, theirs = partial(items.equal, data), partial(items.equal_gensim, data)
        found.append(Training(f"equal-{data}", "recembed", engine | recency, ours))
        found.append(Training(f"equal-{data}", "gensim", peer, theirs))
        defaults = asdict(items.word2vec())
        found.append(Training(data, "word2vec", defaults, partial(items.by_word2vec, data)))
    for system, settings in items.SETTINGS.items():
        for data, values in settings.items():
            make = partial(items.product, data, values)
            found.append(Training(data, system, items.product_setting(values), make))
    for name in words.ARCHITECTURES:
        make = partial(words.equal, name)
        found.append(Training(f"words-{name}", "recembed", words.setting(name), make))
        make = partial(words.equal_gensim, name, saved)
        found.append(Training(f"words-{name}", "gensim", words.gensim_setting(name), make))
    return {(each.part, each.system): each for each in found}


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The figures of the evidence; nothing is trained, however quick or often."""
    found = {key: each.read() for key, each in trainings().items()}
    parts = [against_gensim(found), word_tests(found), product(found)]
    figures = {name: value for part, _ in parts for name, value in part.items()}
    return figures, [bar for _, bars in parts for bar in bars]


def against_gensim(found: Mapping[tuple[str, str], list[Made]]) -> Figures:
    """Recall@10 with equal settings, its difference with an interval over users."""
    figures, bars = {}, []
    for data in ("ml1m", "beauty"):
        ours, theirs = (seeds_mean(found[f"equal-{data}", each], items.hits) for each in SYSTEMS)
        gap = Resamples(np.arange(len(ours)), seed=0).interval(ours - theirs)
        figures |= {
            f"recall10_recembed_{data}": float(ours.mean()),
            f"recall10_gensim_{data}": float(theirs.mean()),
            f"recall10_vs_gensim_{data}_low": gap.low,
            f"recall10_vs_gensim_{data}_high": gap.high,
        }
        bars.append(at_least(f"recall10_vs_gensim_{data}", gap.mean, -0.002))
    return figures, bars


def word_tests(found: Mapping[tuple[str, str], list[Made]]) -> Figures:
    """Each test with each architecture, ours and gensim's, and the differences."""
    figures, gaps = {}, []
    for name in words.ARCHITECTURES:
        for test in words.TESTS:
            scores = {
                system: float(
                    np.mean([made.scores[test] for made in found[f"words-{name}", system]])
                )
                for system in SYSTEMS
            }
            figures |= {f"{name}_{test}_{system}": value for system, value in scores.items()}
            gaps.append(scores["recembed"] - scores["gensim"])
        for system in SYSTEMS:
            took = [made.seconds for made in found[f"words-{name}", system]]
            if None not in took:
                figures[f"{name}_{system}_seconds"] = float(np.mean(took))
    return figures, [
        at_least("words_vs_gensim", np.mean(gaps), 0),
        at_least("words_vs_gensim_least", min(gaps), -0.02),
    ]


def product(found: Mapping[tuple[str, str], list[Made]]) -> Figures:
    """The product's item2vec, as shipped and as chosen for each data set."""
    figures: dict[str, float] = {}
    for (data, system), made in found.items():
        if made[0].places is not None and data in items.DATA:
            label = f"{data}_{system}"
            figures[f"{label}_hr10"] = float(seeds_mean(made, items.hits).mean())
            figures[f"{label}_ndcg10"] = float(seeds_mean(made, items.gains).mean())
            figures[f"{label}_train_seconds"] = max(each.seconds or 0.0 for each in made)
    gain = min(
        figures[f"{data}_shipped_ndcg10"] / figures[f"{data}_word2vec_ndcg10"] - 1
        for data in ("ml1m", "beauty")
    )
    return figures, [
        at_least("tuned_vs_word2vec_defaults", gain, 1),
        at_least("ml1m_hr10", figures["ml1m_chosen_hr10"], 0.284),
        at_least("ml1m_ndcg10", figures["ml1m_chosen_ndcg10"], 0.166),
        at_most("ml1m_train_seconds", figures["ml1m_chosen_train_seconds"], 60),
        at_least("beauty_ndcg10", figures["beauty_chosen_ndcg10"], 0.050),
        at_least("ml100k_ndcg10", figures["ml100k_chosen_ndcg10"], 0.101),
    ]


def seeds_mean(
    made: list[Made], metric: Callable[[Rows], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The metric of each case, mean over the seeds, [n_cases]."""
    return np.mean([metric(each.places) for each in made if each.places is not None], axis=0)


def make(patterns: list[str], saved: Path | None) -> None:
    """Train what is lacking."""
    for training in trainings(saved).values():
        for seed in SEEDS:
            name = stem(training.part, training.system, seed)
            wrong = lacking(name, training.setting)
            if wrong and any(fnmatch(name, pattern) for pattern in patterns):
                say(f"{name} {wrong} ...")
                write(name, training.setting, training.make(seed))


def valid(data: str, values: Mapping[str, Any]) -> None:
    """Print what a setting of the product is worth on the valid part, a line a seed."""
    for seed in SEEDS:
        found, seconds = items.ranks(data, values, seed, "valid")
        hit, gain = items.hits(found).mean(), items.gains(found).mean()
        print(f"{data} {seed} hr10 {hit:.4f} ndcg10 {gain:.4f} seconds {seconds:.1f}", flush=True)


def main(arguments: list[str]) -> None:
    """`make` or `valid`."""
    parser = argparse.ArgumentParser(prog="skipgram_quality")
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="train what has no evidence")
    maker.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    maker.add_argument("--saved", type=Path, metavar="DIR")
    asker = verbs.add_parser("valid", help="a setting on the valid part")
    asker.add_argument("data", choices=items.DATA)
    asker.add_argument("values", nargs="*", metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    if options.verb == "make":
        make(options.patterns, options.saved)
    else:
        valid(options.data, dict(each.split("=", 1) for each in options.values))


if __name__ == "__main__":
    main(sys.argv[1:])
