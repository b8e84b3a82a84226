"""Target positions a second of training, beside RecTools' SASRecModel and a plain padded SASRec.

Bars: vs_rectools_beauty_full >= 10 (full softmax, histories of 50), vs_rectools_beauty_sampled >= 5
(128 negatives, histories of 20), vs_padded_torch_ml1m >= 3 (full softmax, histories of 200).
All train SASRec's architecture (see SASREC) with Adam in batches of 128 histories, two threads, the
last event of each user left out; the first steps are not measured. RecTools draws negatives for
each position, ours are shared by a batch; it also leaves out attentions by chance, ours doesn't.
Where the processor multiplies bfloat16 by itself, ours does; the others stay in float32.
Ours are whole epochs, the slow ones so many steps. --quick trains on a few users and holds no bar.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluation_metrics import RECTOOLS
from benchmarks.harness import ROOT, Bar, BenchError, at_least, environment, peers, say
from benchmarks.skipgram_corpora import shared
from benchmarks.skipgram_speed import in_turns
from benchmarks.two_tower_padded import SASRec
from benchmarks.two_tower_padded import rate as padded_rate
from benchmarks.two_tower_process import trained
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import split

SCRATCH = ROOT / ".bench" / "two-tower"
TORCH = ["torch==2.13.0", "pytorch-lightning==2.5.2"]
DIM, BLOCKS, HEADS, WIDTH, DROPOUT = 64, 2, 2, 1, 0.2
BATCH, THREADS = 128, 2
QUICK_USERS = 1_000
SASREC: Mapping[str, Any] = {
    "dim": DIM,
    "tower": "transformer",
    "tower.blocks": BLOCKS,
    "tower.heads": HEADS,
    "tower.width": WIDTH,
    "tower.dropout": DROPOUT,
    "batch_size": BATCH,
    "learning_rate": 0.001,
    "average": 0.0,
}
LOSSES: Mapping[str, tuple[int, dict[str, Any], dict[str, Any], int]] = {
    "full": (50, {"loss": "full"}, {"loss": "softmax"}, 30),
    "sampled": (
        20,
        {"loss": "sampled", "loss.negatives": 128, "loss.popular": 0.0},
        {"loss": "sampled_softmax", "n_negatives": 128},
        120,
    ),
}  # reach, ours, RecTools', its steps a turn: about a minute and half a minute
PADDED_STEPS = 10

Ask = Callable[[Mapping[str, Any]], float]


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Positions a second of each, in turns, and the ratios."""
    repeats = 1 if quick else 5 if repeat else 3
    found = {f"beauty_{loss}": against_rectools(loss, quick, repeats) for loss in LOSSES}
    found["ml1m"] = against_padded(quick, repeats)
    figures = {
        f"{name}_{who}_positions_s": rate for name, of in found.items() for who, rate in of.items()
    }
    if quick:
        say("two-tower: --quick, so on a few users: the bars of speed are absent")
        return figures, []
    sides = {
        "vs_rectools_beauty_full": ("beauty_full", "rectools", 10),
        "vs_rectools_beauty_sampled": ("beauty_sampled", "rectools", 5),
        "vs_padded_torch_ml1m": ("ml1m", "padded", 3),
    }
    return figures, [
        at_least(bar, found[name]["recembed"] / found[name][who], bound)
        for bar, (name, who, bound) in sides.items()
    ]


def setting(reach: int, loss: Mapping[str, Any], epochs: int = 1) -> dict[str, Any]:
    """SASRec on histories of this length, as `--set` names it."""
    return {**SASREC, **loss, "reach": reach, "epochs": epochs}


@lru_cache
def training(name: str, quick: bool = False) -> Log:
    """All but the last event of each user; quick: of the first users."""
    log = split(read_log(shared(name)), "last:1").train
    return log.keep(log.interactions.events.owners() < QUICK_USERS) if quick else log


def ours(log: Log, values: Mapping[str, Any]) -> float:
    """Positions a second of a training."""
    return trained(log, values, THREADS).rate


def against_rectools(loss: str, quick: bool, repeats: int) -> dict[str, float]:
    """Positions a second of both on Beauty."""
    reach, mine, theirs, steps = LOSSES[loss]
    log = training("amazon-beauty", quick)
    say(f"two-tower: Beauty, {loss} softmax, beside RecTools ...")
    asked = {
        **theirs,
        "session_max_len": reach,
        "n_factors": DIM,
        "n_blocks": BLOCKS,
        "n_heads": HEADS,
        "dropout_rate": DROPOUT,
        "batch_size": BATCH,
        "steps": steps,
    }
    with rectools(log) as ask:
        work = {
            "recembed": partial(ours, log, setting(reach, mine)),
            "rectools": partial(ask, asked),
        }
        return in_turns(work, repeats)


def against_padded(quick: bool, repeats: int) -> dict[str, float]:
    """Positions a second of both on MovieLens-1M."""
    reach, log = 200, training("ml-1m", quick)
    say("two-tower: MovieLens-1M beside padded PyTorch ...")
    values = setting(reach, {"loss": "full"})
    return in_turns(
        {"recembed": partial(ours, log, values), "padded": partial(plain, log, reach)}, repeats
    )


def plain(log: Log, reach: int) -> float:
    """Positions a second of the padded SASRec, over the items that are trained."""
    known = log.interactions.counts() > 0
    compact = (np.cumsum(known) - 1).astype(np.int32)
    events = log.interactions.events
    model = SASRec(
        int(known.sum()), reach, dim=DIM, blocks=BLOCKS, heads=HEADS, width=WIDTH, dropout=DROPOUT
    )
    histories = type(events)(compact[events.values], events.offsets)
    return padded_rate(model, histories, BATCH, PADDED_STEPS, THREADS)


@contextmanager
def rectools(log: Log) -> Iterator[Ask]:
    """A process that has the same events, and trains when asked."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    path, events = SCRATCH / "rectools.npz", log.interactions
    np.savez(path, user=events.events.owners(), item=events.rows)
    script = Path(__file__).with_name("two_tower_peer.py")
    child = subprocess.Popen(
        [peers([*RECTOOLS, *TORCH]), script, path, str(THREADS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def ask(asked: Mapping[str, Any]) -> float:
        child.stdin.write(json.dumps(asked) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if not answer:
            raise BenchError(f"RecTools ended with {child.wait()}")
        return float(answer)

    with child:
        yield ask
        child.stdin.close()
