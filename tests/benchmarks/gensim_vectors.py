"""Stand-alone, run by the peers' python: trains gensim as told and gives its vectors as arrays.

    python gensim_vectors.py OUT.npz CORPUS.txt '{"model": "Word2Vec", "sg": 1, ...}'
    python gensim_vectors.py OUT.npz VECTORS.kv     # what was trained before, saved by `wv.save`

OUT holds words (text), inputs and, where there was a training, outputs float32 [n, dim]. Prints
{"seconds": of the whole training, "versions": {...}}.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import gensim
import numpy as np
import scipy
from gensim.models import FastText, KeyedVectors, Word2Vec

MODELS = {"Word2Vec": Word2Vec, "FastText": FastText}


def trained(corpus: str, model: str, **setting: Any) -> tuple[dict[str, Any], float]:
    """Both tables, and the seconds of counting and training."""
    begin = time.perf_counter()
    found = MODELS[model](corpus_file=corpus, **setting)
    seconds = time.perf_counter() - begin
    return vectors(found.wv) | {"outputs": found.syn1neg}, seconds


def vectors(found: KeyedVectors) -> dict[str, Any]:
    """The words and their vectors, those of FastText with their n-grams."""
    return {"words": np.array(found.index_to_key, str), "inputs": found.vectors}


def main(out: str, source: str, setting: str | None = None) -> None:
    """Write the arrays, print what is known about them."""
    if setting is None:
        arrays, seconds = vectors(KeyedVectors.load(source)), None
    else:
        arrays, seconds = trained(source, **json.loads(setting))
    np.savez(Path(out), **arrays)
    versions = {each.__name__: each.__version__ for each in (gensim, np, scipy)}
    print(json.dumps({"seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
