"""What an epoch costs: seconds and memory on MovieLens-1M, and as catalogue and history grow.

Bars: ml1m_epoch_seconds <= 25 (histories of 200, all but the last event of each user, full softmax
over all films, SASRec's architecture at dim 64, two threads) and peak_gib <= 3 (resident memory of
the process that trains it). matrix_share: operations that this needs a second (positions that are
there, their causal pasts and all films; backward twice forward), over those of a square
float32 product.
Growth: positions a second and memory with 10 k to 1 M items (sampled softmax, histories of 50, each
item at least once) and with histories of 25 to 400 on MovieLens-1M. Each trains in a process of its
own. --quick trains on a few users and 10 k items and holds no bar.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Bar, at_most, process, say
from benchmarks.two_tower_process import kept
from benchmarks.two_tower_speed import (
    BLOCKS,
    DIM,
    SCRATCH,
    THREADS,
    WIDTH,
    setting,
    training,
)
from recembed import seed as seeds
from recembed.data.log import Log

PROCESS = Path(__file__).with_name("two_tower_process.py")
REACH, REACHES = 200, (25, 50, 100, 400)
CATALOGUES, EVENTS, LENGTH = (10_000, 100_000, 1_000_000), 1_200_000, 50
FULL, SAMPLED = {"loss": "full"}, {"loss": "sampled", "loss.negatives": 512, "loss.popular": 0.0}


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """MovieLens-1M at the length of the bars, then the two growths."""
    log = training("ml-1m", quick)
    path = kept(log, SCRATCH / "ml-1m.npz")
    say("two-tower: epochs of MovieLens-1M ...")
    told, peak = watched(path, setting(REACH, FULL, 2 if quick else 5 if repeat else 3))
    epoch = float(np.median(told["seconds"][1:]))  # the first one warms up
    needed = operations(log, REACH) / epoch
    figures = {
        "ml1m_positions": told["positions"],
        "ml1m_positions_s": told["positions"] / epoch,
        "ml1m_gflop_s": needed / 1e9,
        "matrix_gflop_s": told["matrix_rate"] / 1e9,
        "matrix_share": needed / told["matrix_rate"],
    }
    for reach in REACHES[:1] if quick else REACHES:
        figures |= grown(f"reach_{reach}", path, setting(reach, FULL))
    for n_items in CATALOGUES[:1] if quick else CATALOGUES:
        synthetic = catalogue(n_items, EVENTS // 10 if quick else EVENTS)
        figures |= grown(f"items_{n_items}", synthetic, setting(LENGTH, SAMPLED))
    if quick:
        return figures, []
    return figures, [at_most("ml1m_epoch_seconds", epoch, 25), at_most("peak_gib", peak, 3)]


def watched(path: Path, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """What the process told of its training, and its peak memory."""
    ran = process([sys.executable, PROCESS, path, json.dumps(values), str(THREADS)])
    told: dict[str, Any] = json.loads(ran.said.splitlines()[-1])
    return told, ran.peak_gib


def grown(name: str, path: Path, values: Mapping[str, Any]) -> dict[str, float]:
    """Positions a second and memory of one epoch."""
    say(f"two-tower: {name.replace('_', ' ')} ...")
    told, peak = watched(path, values)
    return {f"{name}_positions_s": told["rate"], f"{name}_peak_gib": peak}


def operations(log: Log, reach: int) -> float:
    """Additions and multiplications of an epoch with the full softmax.

    A position takes products with the 4 + 2 x width square matrices of a block and with all items,
    and two with each event of its past that it sees.
    """
    n = np.minimum(np.maximum(log.interactions.events.sizes - 1, 0), reach).astype(np.float64)
    n_items = int((log.interactions.counts() > 0).sum())
    position = BLOCKS * (4 + 2 * WIDTH) * DIM**2 + n_items * DIM
    past = BLOCKS * 2 * DIM * (n * (n + 1) / 2).sum()
    return float(3 * 2 * (n.sum() * position + past))


def catalogue(n_items: int, events: int) -> Path:
    """Histories of LENGTH + 1 events: every item once, the others ~ 1 / rank; made once."""
    path = SCRATCH / f"catalogue-{n_items}-{events}.npz"
    if path.exists():
        return path
    random = seeds.rng(0, "catalogue", n_items)
    share = np.cumsum(1 / np.arange(1, n_items + 1))
    drawn = np.searchsorted(share, random.random(events - n_items) * share[-1])
    values = np.concatenate([np.arange(n_items), drawn.clip(max=n_items - 1)]).astype(np.int32)
    random.shuffle(values)
    values = values[: len(values) // (LENGTH + 1) * (LENGTH + 1)]
    offsets = np.arange(0, len(values) + 1, LENGTH + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, values=values, offsets=offsets, n_items=n_items)
    return path
