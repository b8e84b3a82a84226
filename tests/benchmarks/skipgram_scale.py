"""Whether size costs more than its share: a hundred million tokens, a million items, a new start.

Bars: cost_growth_100m <= 2 (seconds a token of 100 M tokens over those of 1 M, one vocabulary of
10 k), memory_overhead_mib <= 200 (at the peak of the 100 M tokens, above what the process had after
importing and above the tables; the mapped corpus is no memory of the process),
second_start_seconds <= 1.5 (import and a tiny training in a new process, kernels cached on disk).
Also how tokens a second fall with the vocabulary, beside the size of the tables and of the caches.
--quick leaves out the 100 M tokens and the million items, and so the first two bars.
"""

import json
import statistics
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from benchmarks.harness import Bar, BenchError, at_most, process, say, seconds, short_process
from benchmarks.skipgram_corpora import mapped, zipf
from benchmarks.skipgram_speed import THREADS, setting
from recembed.training.skipgram import train

N_ROWS, DIM = 10_000, 64
SMALL, LARGE = 1_000_000, 100_000_000
GROWTH_DIM, GROWTH_EPOCHS = 128, 3
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
PROCESS = Path(__file__).with_name("skipgram_process.py")
TINY = """
import numpy as np
from recembed.data.sequences import Sequences
from recembed.training.skipgram import SkipGram, train
train(Sequences.of([[0, 1, 2]] * 9), 3, SkipGram(dim=128, window=5, negatives=5, exponent=0.0,
    subsample=0.0, direction="both", shrink=True, epochs=1, learning_rate=0.025{more}))
"""
STARTS = {"skip_gram": "", "cbow": ", architecture='cbow'"}


def run(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Starts, growth with the vocabulary, growth with the corpus."""
    figures, bars = starts(1 if quick else 9 if repeat else 5)
    figures |= vocabularies([10_000] if quick else [10_000, 100_000, 1_000_000])
    if quick:
        say("skipgram: --quick, so without 100 M tokens: the bars of cost and memory are absent")
        return figures, bars
    more, held = corpus_growth(5 if repeat else 3)
    return figures | more, [*bars, *held]


def starts(repeats: int) -> tuple[dict[str, float], list[Bar]]:
    """New processes, after one each that may compile."""
    took = {}
    for name, more in STARTS.items():
        start = partial(short_process, [sys.executable, "-c", TINY.format(more=more)])
        start()
        took[name] = statistics.median(seconds(start) for _ in range(repeats))
    figures = {f"second_start_{name}_seconds": value for name, value in took.items()}
    return figures, [at_most("second_start_seconds", took["skip_gram"], 1.5)]


def vocabularies(sizes: list[int]) -> dict[str, float]:
    """Tokens a second of 1 M tokens over so many rows: what epochs take after the first."""
    figures = cache_sizes()
    for n_rows in sizes:
        corpus = mapped(zipf(n_rows, SMALL))
        took = {}
        for epochs in (1, GROWTH_EPOCHS, 1, GROWTH_EPOCHS):  # the first two warm up
            engine = replace(setting(GROWTH_DIM), epochs=epochs)
            took[epochs] = seconds(partial(train, corpus, n_rows, engine, threads=THREADS))
        epoch = (took[GROWTH_EPOCHS] - took[1]) / (GROWTH_EPOCHS - 1)
        figures[f"rows_{n_rows}_tables_mib"] = 2 * 4 * n_rows * GROWTH_DIM / 2**20
        figures[f"rows_{n_rows}_tokens_s"] = SMALL / epoch
    return figures


def cache_sizes() -> dict[str, float]:
    """The caches that a core sees, KiB; nothing where the system does not say."""
    found = {}
    for folder in sorted(CACHES.glob("index*")):
        level, size, kind = (
            (folder / name).read_text().strip() for name in ("level", "size", "type")
        )
        if kind != "Instruction":
            found[f"cache_l{level}_kib"] = float(size.removesuffix("K"))
    return found


def corpus_growth(repeats: int) -> tuple[dict[str, float], list[Bar]]:
    """100 M tokens once, 1 M before and after, all in one process that watches its memory."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise BenchError("memory_overhead_mib needs Linux: there is no /proc/self/smaps_rollup")
    small, large = zipf(N_ROWS, SMALL), zipf(N_ROWS, LARGE)
    engine = setting(DIM)
    say("skipgram: 100 M tokens ...")
    folders = [small, *[small] * repeats, large, *[small] * repeats]  # the first one warms up
    command = [sys.executable, PROCESS, json.dumps(asdict(engine)), str(N_ROWS), str(THREADS)]
    told = json.loads(process([*command, *folders]).said.splitlines()[-1])
    took = told["seconds"][repeats + 1]
    one = statistics.median([*told["seconds"][1 : repeats + 1], *told["seconds"][repeats + 2 :]])
    growth = (took / LARGE) / (one / SMALL)
    tables = 2 * 4 * N_ROWS * DIM / 2**20
    figures = {
        "zipf_1m_tokens_s": SMALL / one,
        "zipf_100m_tokens_s": LARGE / took,
        "zipf_tables_mib": tables,
        "zipf_start_mib": told["start_mib"],
        "zipf_peak_mib": told["peak_mib"],
    }
    overhead = told["peak_mib"] - told["start_mib"] - tables
    return figures, [
        at_most("cost_growth_100m", growth, 2),
        at_most("memory_overhead_mib", overhead, 200),
    ]
