"""Stand-alone, run by the peers' python: seconds of one gensim epoch, as told on standard input.

A line is "MODE DIM THREADS FILE": sentences or corpus_file, a text file of one sentence a line,
tokens between spaces. The answer is the seconds that `train` took: the vocabulary is built before.
"""

import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from gensim.models import Word2Vec


@lru_cache(maxsize=1)
def sentences(path: str) -> list[list[str]]:
    """The whole file in memory, as gensim is fastest with."""
    with Path(path).open(encoding="utf-8") as file:
        return [line.split() for line in file]


def epoch(mode: str, dim: int, threads: int, path: str) -> float:
    """Skip-gram with word2vec's negatives and window, no word left out."""
    corpus: dict[str, Any] = {"corpus_file": path}
    if mode == "sentences":
        corpus = {"corpus_iterable": sentences(path)}
    model = Word2Vec(
        sg=1,
        negative=5,
        window=5,
        sample=0,
        min_count=1,
        vector_size=dim,
        workers=threads,
        seed=1,
    )
    model.build_vocab(**corpus)
    begin = time.perf_counter()
    model.train(
        **corpus,
        epochs=1,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
    )
    return time.perf_counter() - begin


if __name__ == "__main__":
    for line in sys.stdin:
        mode, dim, threads, path = line.rstrip("\n").split(" ", 3)
        print(epoch(mode, int(dim), int(threads), path), flush=True)
