"""Exact top-k: against implicit, against bare matrix products, and for a million users.

MovieLens-1M, all users, top-100 of the 3,416 films that anybody saw, the user's own left out, 64
factors of implicit's ALS in float32, two threads. implicit gets its own advice, BLAS of one thread.
gemm_share: the products of the same blocks, by the same threads, over the whole search. bfloat16:
the largest difference in recall@10 and nDCG@100 of each user's last film. The million users x
100,000 items (in a process of its own, random vectors, 50 random items of each left out) are asked
for in blocks, as evaluation does: their vectors are there at once, their lists are not.
"""

import json
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import (
    ROOT,
    Bar,
    BenchError,
    alternate,
    at_least,
    at_most,
    process,
    say,
)
from benchmarks.skipgram_corpora import shared
from recembed.arrays import Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.read import read_log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.metrics.accuracy import ndcg, recall
from recembed.metrics.places import places_of
from recembed.protocols import Machine, TopK
from recembed.search.batch import ROWS, TILE
from recembed.search.exact import ExactIndex, Precision
from recembed.search.products import float32_product, one_search, one_thread

SCRATCH = ROOT / ".bench" / "evaluation"
DIM, K, THREADS = 64, 100, 2
AGREE = 0.9999  # of the places: implicit sums in float32, so neighbours may be swapped


@dataclass(frozen=True, eq=False)
class Films:
    """users float32 [n, DIM], items float32 [m, DIM], what each user saw, and saw last."""

    users: Vectors
    items: Vectors
    seen: Sequences
    last: Sequences

    def search(self, precision: Precision = "float32") -> TopK:
        """The lists of the product."""
        known = np.ones(len(self.items), np.bool_)
        items = Embeddings(Vocabulary.numbered(len(self.items)), self.items, known)
        index = ExactIndex(items, Machine(threads=THREADS), precision)
        return index.search(self.users, K, exclude=self.seen)


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """The five bars; --quick leaves out the million."""
    films = factors()
    repeats = 5 if quick else 21 if repeat else 11
    figures = speed(films, repeats)
    differences = bfloat16_differences(films)
    figures |= differences
    bars = [
        at_least("vs_implicit_topk", figures["implicit_topk_seconds"] / figures["topk_seconds"], 2),
        at_least("gemm_share", figures["products_seconds"] / figures["topk_seconds"], 0.5),
        at_most("bf16_metric_difference", max(differences.values()), 0.0005),
    ]
    if quick:
        return figures, bars
    million = process([sys.executable, Path(__file__).with_name("evaluation_topk_million.py")])
    figures |= json.loads(million.said)
    return figures, [
        *bars,
        at_most("million_by_100k_minutes", million.seconds / 60, 6),
        at_most("million_peak_gib", million.peak_gib, 1.5),
    ]


def factors() -> Films:
    """Five rounds of ALS on all but the last events; kept, so that every run has the same."""
    log = read_log(shared("ml-1m")).interactions
    last = np.arange(len(log)) == log.events.offsets[1:][log.events.owners()] - 1
    train, asked = log.keep(~last), log.keep(last)
    path = SCRATCH / "topk.npz"
    if not path.exists():
        say("top-k: ALS factors of ml-1m ...")
        seen = train.matrix()[:, : int(log.rows.max()) + 1]
        model = implicit_als()
        model.fit(seen, show_progress=False)
        SCRATCH.mkdir(parents=True, exist_ok=True)
        np.savez(path, users=model.user_factors, items=model.item_factors)
    kept = np.load(path)
    return Films(kept["users"], kept["items"], train.events, asked.events)


def implicit_als() -> Any:
    """The model of implicit, unfitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks at the BLAS of everybody
        from implicit.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            factors=DIM, iterations=5, num_threads=THREADS, random_state=0
        )


def speed(films: Films, repeats: int) -> dict[str, float]:
    """Median seconds of all users' lists, by turns; GFLOP/s of the search and of its products.

    Raises: BenchError if the lists are not the same.
    """
    theirs = implicit_search(films)
    same = float((theirs() == films.search().rows).mean())
    if same < AGREE:
        raise BenchError(f"implicit lists another item at {1 - same:.2%} of the places")
    took = alternate(
        {"topk": films.search, "products": partial(products, films), "implicit_topk": theirs},
        repeats,
    )
    work = 2 * len(films.users) * len(films.items) * DIM / 1e9
    return {
        **{f"{name}_seconds": value for name, value in took.items()},
        "topk_gflop_s": work / took["topk"],
        "products_gflop_s": work / took["products"],
        "implicit_same_places": same,
    }


def implicit_search(films: Films) -> Callable[[], Any]:
    """`recommend` of implicit for all users, item rows [n, K]."""
    from scipy.sparse import csr_matrix

    model = implicit_als()
    model.user_factors, model.item_factors = films.users, films.items
    values = np.ones(len(films.seen.values), np.float32)
    shape = len(films.users), len(films.items)
    seen = csr_matrix((values, films.seen.values, films.seen.offsets), shape)
    users = np.arange(len(films.users))

    def search() -> Any:
        with threadpool_limits(1, "blas"):
            return model.recommend(users, seen, N=K, filter_already_liked_items=True)[0]

    return search


def products(films: Films) -> None:
    """The matrix products of the search without the rest of it."""
    todo = iter(list(blocks(len(films.users), 1, ROWS)))
    product = float32_product(films.users, films.items)

    def work() -> None:
        scores = np.empty(ROWS * TILE, np.float32)
        with one_thread():
            for block in todo:
                for items in blocks(len(films.items), 1, TILE):
                    shape = block.stop - block.start, items.stop - items.start
                    product(block, items, scores[: shape[0] * shape[1]].reshape(shape))

    with one_search(), ThreadPoolExecutor(THREADS) as pool:
        for each in [pool.submit(work) for _ in range(THREADS)]:
            each.result()


def bfloat16_differences(films: Films) -> dict[str, float]:
    """How far the metrics of bfloat16 scores, scored again, are from those of float32."""
    exact, rough = (
        places_of(films.search(precision), films.last, None)
        for precision in ("float32", "bfloat16")
    )
    return {
        f"bf16_{name}_difference": float(abs(metric(exact, k).mean() - metric(rough, k).mean()))
        for name, metric, k in (("recall10", recall, 10), ("ndcg100", ndcg, K))
    }
