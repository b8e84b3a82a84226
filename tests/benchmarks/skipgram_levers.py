"""What each lever of item2vec gave: one after the other, on the valid part, one seed.

    PYTHONPATH=tests .venv/bin/python -m benchmarks.skipgram_levers

Each row keeps what the rows before it set. The table goes to standard output and, as JSON, into
skipgram_levers.json beside this file.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import skipgram_items as items
from benchmarks.harness import commit, machine, say
from recembed.arrays import Rows
from recembed.models.item2vec import Item2Vec
from recembed.settings import as_dict
from recembed.training.recency import Recency

DATA = ("ml1m", "beauty")
WORD2VEC: dict[str, Any] = {
    "architecture": "skip-gram",
    "loss": "logistic",
    "direction": "both",
    "window": 5,
    "shrink": True,
    "negatives": 5,
    "exponent": 0.75,
    "epochs": 5,
    "learning_rate": 0.025,
    "dropout": 0.0,
    "recency.decay": 1.0,
}
SHIPPED = Item2Vec()
LEVERS: list[tuple[str, dict[str, Any]]] = [
    ("history against output vectors", {}),
    ("the newest events weigh most (decay .65)", {"recency.decay": 0.65}),
    ("30 epochs", {"epochs": 30}),
    ("uniform negatives", {"exponent": 0.0}),
    ("context from the past only", {"direction": "past"}),
    ("cross-entropy instead of logistic loss", {"loss": "softmax"}),
    (
        "forward CBOW: trained on the weighted mean that is scored",
        {"architecture": "cbow", "window": 15, "shrink": False, "learning_rate": 0.1},
    ),
    ("128 negatives", {"negatives": 128}),
    ("half of the context left out by chance: the defaults", {"dropout": 0.5}),
]


def main() -> None:
    """Train row by row."""
    rows = []
    for data in DATA:
        say(f"{data}: word2vec ...")
        model, asked, seconds = items.ours(data, items.word2vec(), Recency(), 0, "valid")
        similar = replace(model.inputs, metric="cosine")
        found = items.places(model.users(asked.histories()), similar, asked)
        rows.append(
            _row(data, "word2vec's defaults: mean of inputs against inputs", found, seconds)
        )
        values = dict(WORD2VEC)
        for name, lever in LEVERS:
            values |= lever
            say(f"{data}: {name} ...")
            found, seconds = items.ranks(data, values, 0, "valid")
            rows.append(_row(data, name, found, seconds))
    told = {"commit": commit(), "machine": machine(), "shipped": as_dict(SHIPPED), "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
    by = {(row["data"], row["lever"]): row for row in rows}
    for name in dict.fromkeys(row["lever"] for row in rows):
        cells = [f"{by[data, name]['hr10']:.4f} / {by[data, name]['ndcg10']:.4f}" for data in DATA]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


def _row(data: str, lever: str, found: Rows, seconds: float) -> dict[str, Any]:
    return {
        "data": data,
        "lever": lever,
        "hr10": round(float(items.hits(found).mean()), 5),
        "ndcg10": round(float(items.gains(found).mean()), 5),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
