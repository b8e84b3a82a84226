"""Vectors of gensim 4.4 with the same setting as ours, trained by the peers' python."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import peers, process
from recembed.arrays import Vectors
from recembed.training.skipgram import SkipGram

GENSIM = ["gensim==4.4.0"]
SCRIPT = Path(__file__).with_name("gensim_vectors.py")


@dataclass(frozen=True, eq=False)
class Trained:
    """Words and their vectors, [n, dim]; outputs are there where gensim was trained just now."""

    words: list[str]
    inputs: Vectors
    outputs: Vectors | None
    seconds: float | None
    versions: dict[str, str]


def same(ours: SkipGram, min_count: int, more: Mapping[str, int]) -> dict[str, Any]:
    """Ours in gensim's words, one worker, so that a seed gives one outcome; more: of FastText."""
    return {
        "model": "FastText" if more else "Word2Vec",
        "sg": int(ours.architecture == "skip-gram"),
        "vector_size": ours.dim,
        "window": ours.window,
        "negative": ours.negatives,
        "ns_exponent": ours.exponent,
        "sample": ours.subsample,
        "epochs": ours.epochs,
        "alpha": ours.learning_rate,
        "min_alpha": 1e-4,
        "min_count": min_count,
        "workers": 1,
        **more,
    }


def trained(setting: Mapping[str, Any], corpus: Path, seed: int) -> Trained:
    """Train on a text file of one sentence a line."""
    return _told(corpus, json.dumps({**setting, "seed": seed}))


def saved(vectors: Path) -> Trained:
    """What gensim's `wv.save` wrote earlier."""
    return _told(vectors)


def _told(*arguments: str | Path) -> Trained:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "vectors.npz"
        said = process([peers(GENSIM), SCRIPT, out, *arguments]).said
        told = json.loads(said.splitlines()[-1])
        arrays = dict(np.load(out))
        words, outputs = arrays["words"].tolist(), arrays.get("outputs")
        return Trained(words, arrays["inputs"], outputs, **told)
