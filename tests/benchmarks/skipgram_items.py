"""Leave-one-out over items: places of the hidden last items, of our vectors and of gensim's.

The last item of each user is the test, the one before it the valid part; a model trains on all that
comes before. Of equal times (MovieLens-100K alone has some) the split draws who is last, seed 0.
All items that a model trained on are ranked, those of the history left out.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.skipgram_corpora import SCRATCH, shared, write_text
from benchmarks.skipgram_evidence import Made
from benchmarks.skipgram_peer import same, trained
from recembed.arrays import Rows, Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import Part, split
from recembed.data.vocabulary import Vocabulary
from recembed.evaluation.cases import Cases, cases
from recembed.models.history import HistoryModel
from recembed.models.item2vec import Item2Vec
from recembed.protocols import Machine
from recembed.settings import change, flat
from recembed.training.recency import Recency
from recembed.training.skipgram import SkipGram, train

DATA = {"ml1m": "ml-1m", "beauty": "amazon-beauty", "ml100k": "ml-100k"}
THREADS = 2  # of the product; what is compared with gensim has one thread, as gensim has
FEW = 1000  # events
MEMORY = 1 << 28  # bytes of scores at a time

# Chosen on the valid part; "shipped" are the product's defaults, whatever they are.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "chosen": {
        "ml1m": {"exponent": 0.3, "recency.decay": 0.7},
        "beauty": {"negatives": 256, "epochs": 40, "recency.decay": 0.6},
        "ml100k": {
            "negatives": 256,
            "epochs": 40,
            "learning_rate": 0.05,
            "recency.decay": 0.7,
        },
    },
    "shipped": {"ml1m": {}, "beauty": {}},
}
EQUAL = SkipGram(
    dim=128,
    window=5,
    negatives=5,
    exponent=0.75,
    subsample=0.0,
    direction="both",
    shrink=True,
    epochs=20,
    learning_rate=0.025,
)
EQUAL_RECENCY = Recency(decay=0.5)


def ranks(data: str, values: Mapping[str, Any], seed: int, on: Part = "test") -> tuple[Rows, float]:
    """Places of the product's item2vec with these values, and the seconds that training took."""
    (log, asked), model = cut(data, on), change(Item2Vec(), values)
    few = log.keep(np.arange(len(log.interactions)) < FEW)
    replace(model, epochs=1).fit(few)  # kernels are compiled or loaded once, not by every training
    begin = time.perf_counter()
    fitted = model.fit(log, seed=seed, machine=Machine(threads=THREADS))
    seconds = time.perf_counter() - begin
    return places(fitted.users(asked.histories()), fitted.items, asked), seconds


def product(data: str, values: Mapping[str, Any], seed: int) -> Made:
    """Evidence of the product, tested."""
    found, seconds = ranks(data, values, seed)
    return Made(seconds, found)


def product_setting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every hyperparameter, those left as they are too."""
    return flat(change(Item2Vec(), values)) | {"threads": THREADS}


def word2vec() -> SkipGram:
    """What word2vec's defaults make of items; the vectors as long as the product's."""
    return replace(EQUAL, dim=Item2Vec().dim, epochs=5)


def by_word2vec(data: str, seed: int) -> Made:
    """Its defaults, asked as words are: cosine of input vectors with the plain mean of those."""
    model, asked, seconds = ours(data, word2vec(), Recency(), seed)
    inputs = replace(model.inputs, metric="cosine")
    return Made(seconds, places(model.users(asked.histories()), inputs, asked))


def equal(data: str, seed: int) -> Made:
    """Ours, with what gensim is given."""
    model, asked, seconds = ours(data, EQUAL, EQUAL_RECENCY, seed)
    return Made(seconds, places(model.users(asked.histories()), model.items, asked))


def equal_gensim(data: str, seed: int) -> Made:
    """gensim's vectors through our own pooling and ranking."""
    log, asked = cut(data)
    events = log.interactions
    text = SCRATCH / f"rows-of-{data}.txt"
    write_text(events.sentences("user"), Vocabulary.numbered(events.n_items), text)
    peer = trained(same(EQUAL, 1, {}), text, seed)
    assert peer.outputs is not None
    rows = np.array(peer.words, np.int64)
    inputs, outputs = (np.zeros((events.n_items, EQUAL.dim), np.float32) for _ in range(2))
    inputs[rows], outputs[rows] = peer.inputs, peer.outputs
    known = events.counts() > 0
    model = HistoryModel.of(events.items, (inputs, outputs), known, EQUAL_RECENCY)
    found = places(model.users(asked.histories()), model.items, asked)
    return Made(peer.seconds, found, versions=peer.versions)


def ours(
    data: str, engine: SkipGram, recency: Recency, seed: int, on: Part = "test"
) -> tuple[HistoryModel, Cases, float]:
    """The bare engine on one thread, read as item2vec reads it."""
    log, asked = cut(data, on)
    events = log.interactions
    begin = time.perf_counter()
    tables = train(events.sentences("user"), events.n_items, engine, seed=seed)
    seconds = time.perf_counter() - begin
    both, known = (tables.inputs, tables.outputs), events.counts() > 0
    return HistoryModel.of(events.items, both, known, recency), asked, seconds


def places(queries: Vectors, items: Embeddings, asked: Cases) -> Rows:
    """Place of each case's one hidden item, from 1, int32 [n_cases].

    It stands behind all items of the same score; -1: it is not ranked at all.
    """
    vectors, targets, seen = items.scored(), asked.targets.values, asked.exclude(repeats=False)
    found = np.empty(len(asked), np.int32)
    for block in blocks(len(asked), 8 * len(vectors), MEMORY):
        scores = queries[block] @ vectors.T  # [block, n_items]
        here = np.arange(len(scores))
        barred = seen.take(here + block.start)
        scores[:, ~items.known] = -np.inf
        scores[barred.owners(), barred.values] = -np.inf
        own = scores[here, targets[block]]
        found[block] = np.where(own > -np.inf, (scores >= own[:, None]).sum(axis=1), -1)
    return found


def hits(found: Rows, k: int = 10) -> NDArray[np.float64]:
    """1 where the hidden item is among the first k, [n]: recall and hit rate in one."""
    return ((found > 0) & (found <= k)).astype(np.float64)


def gains(found: Rows, k: int = 10) -> NDArray[np.float64]:
    """nDCG@k of each case, [n]: one item is to be found, so the best list gains 1."""
    return hits(found, k) / np.log2(np.maximum(found, 1) + 1)


@lru_cache
def cut(data: str, on: Part = "test") -> tuple[Log, Cases]:
    """What may be trained on, and what is asked."""
    found = split(read_log(shared(DATA[data])), "last:1", "last:1")
    return found.fitted(on), cases(found, on)
