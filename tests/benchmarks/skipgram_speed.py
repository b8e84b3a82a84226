"""Tokens a second against gensim 4.4, and the share of what a matrix product reaches.

Bars: vs_gensim_sentences_d64 and _d128 >= 6, vs_gensim_corpus_file_d64 and _d128 >= 5 (seconds of
gensim over ours for one epoch, two threads, the smallest of three corpora); fma_share_d128 >= 0.25.
Both train skip-gram on both sides, window 5 that shrinks, 5 negatives of exponent .75, no
subsampling. --quick trains on the head of each corpus and holds no bar: fixed costs would decide.
"""

import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import Bar, BenchError, at_least, environment, peers, say, seconds
from benchmarks.skipgram_corpora import Corpus, corpora
from benchmarks.skipgram_peer import GENSIM
from recembed.data.sequences import Sequences
from recembed.training.skipgram import SkipGram, train

MODES = {"sentences": 6.0, "corpus_file": 5.0}
DIMS, THREADS = (64, 128), 2
WINDOW, NEGATIVES = 5, 5
EPOCHS_A_TURN = 3  # ours is so short that a turn takes the median of some
SIDE = 2048  # of the square matrices whose product is the measure of the machine
QUICK_TOKENS = 50_000

Seconds = Callable[[], float]
Ask = Callable[[str, int, int, Path], float]


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Every corpus, dimension and way to feed gensim: two threads by turns, one thread once."""
    repeats = 1 if quick else 5 if repeat else 3
    there = corpora(QUICK_TOKENS) if quick else corpora()
    figures: dict[str, float] = {f"{each.name}_tokens": each.tokens for each in there}
    ratios: dict[str, list[float]] = {}
    with gensim() as ask:
        for threads, dim, corpus in product((THREADS,) if quick else (THREADS, 1), DIMS, there):
            took = against(ask, corpus, dim, threads, repeats if threads == THREADS else 1)
            figures |= rates(took, corpus, dim, threads)
            for mode in MODES if threads == THREADS else ():
                ratios.setdefault(f"{mode}_d{dim}", []).append(took[mode] / took["recembed"])
    figures |= (shares := fma_share(next(each for each in there if each.name == "ml-1m"), repeats))
    if quick:
        say("skipgram: --quick, so on the heads of the corpora: the bars of speed are absent")
        return figures, []
    bars = [
        at_least(f"vs_gensim_{mode}_d{dim}", min(ratios[f"{mode}_d{dim}"]), bound)
        for mode, bound in MODES.items()
        for dim in DIMS
    ]
    return figures, [*bars, at_least("fma_share_d128", shares["fma_share"], 0.25)]


def setting(dim: int) -> SkipGram:
    """What both train; gensim_speed.py says the same."""
    return SkipGram(
        dim=dim,
        window=WINDOW,
        negatives=NEGATIVES,
        exponent=0.75,
        subsample=0.0,
        direction="both",
        shrink=True,
        epochs=1,
        learning_rate=0.025,
    )


def ours(corpus: Corpus, dim: int, threads: int) -> float:
    """Seconds of an epoch: all of `train`, counting and fresh tables included."""
    one = partial(train, corpus.sequences, corpus.n_rows, setting(dim), threads=threads)
    return statistics.median(seconds(one) for _ in range(EPOCHS_A_TURN))


def against(ask: Ask, corpus: Corpus, dim: int, threads: int, repeats: int) -> dict[str, float]:
    """Median seconds of an epoch: "recembed" and each way to feed gensim."""
    say(f"skipgram: {corpus.name}, dim {dim}, threads {threads} ...")
    ours(corpus, dim, threads)  # compiled or loaded
    work = {"recembed": partial(ours, corpus, dim, threads)}
    work |= {mode: partial(ask, mode, dim, threads, corpus.text) for mode in MODES}
    return in_turns(work, repeats)


def in_turns(work: Mapping[str, Seconds], repeats: int) -> dict[str, float]:
    """Median of what each says it took; the order is reversed in every other round."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats):
        for name in list(work)[:: -1 if turn % 2 else 1]:
            taken[name].append(work[name]())
    return {name: statistics.median(times) for name, times in taken.items()}


def rates(took: Mapping[str, float], corpus: Corpus, dim: int, threads: int) -> dict[str, float]:
    """Tokens a second of each, pairs a second of ours, and the ratios."""
    label = f"{corpus.name}_d{dim}_{threads}t"
    figures = {f"{label}_{name}_tokens_s": corpus.tokens / took[name] for name in took}
    figures[f"{label}_recembed_pairs_s"] = pairs(corpus.sequences) / took["recembed"]
    return figures | {f"{label}_vs_{mode}": took[mode] / took["recembed"] for mode in MODES}


def pairs(corpus: Sequences) -> float:
    """Pairs that an epoch is expected to have.

    Two tokens that stand d apart are a pair with chance 1 - (d - 1) / W, each as the centre.
    """
    return sum(
        2 * (WINDOW - apart + 1) / WINDOW * float(np.maximum(corpus.sizes - apart, 0).sum())
        for apart in range(1, WINDOW + 1)
    )


def fma_share(corpus: Corpus, repeats: int) -> dict[str, float]:
    """Arithmetic of the kernel a second over that of a matrix product, both fp32.

    A pair and a target take three products of `dim` numbers: the score and the steps of both rows.
    """
    dim = 128
    side = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    work = {
        "kernel": partial(ours, corpus, dim, THREADS),
        "matrix": partial(seconds, lambda: side @ side),
    }
    with threadpool_limits(THREADS):
        in_turns(work, 1)
        took = in_turns(work, 2 * repeats + 1)
    kernel = pairs(corpus.sequences) * (1 + NEGATIVES) * 3 * 2 * dim / took["kernel"]
    matrix = 2 * SIDE**3 / took["matrix"]
    return {
        "kernel_gflop_s": kernel / 1e9,
        "matrix_gflop_s": matrix / 1e9,
        "fma_share": kernel / matrix,
    }


@contextmanager
def gensim() -> Iterator[Ask]:
    """A process that trains an epoch when asked and says how long it took."""
    script = Path(__file__).with_name("gensim_speed.py")
    child = subprocess.Popen(
        [peers(GENSIM), script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def ask(mode: str, dim: int, threads: int, path: Path) -> float:
        child.stdin.write(f"{mode} {dim} {threads} {path}\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if not answer:
            raise BenchError(f"gensim ended with {child.wait()}, asked for {mode} of {path}")
        return float(answer)

    with child:
        yield ask
        child.stdin.close()
