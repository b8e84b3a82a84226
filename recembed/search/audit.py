"""Is an approximate index good enough? Asked with the run's own users, against exact search."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Index, Machine, TopK
from recembed.search.annoy import METRICS, AnnoyIndex, build_annoy
from recembed.search.exact import ExactIndex
from recembed.seed import rng


@dataclass(frozen=True)
class Audit:
    """recall: share of the exact top k that the index lists. build_seconds, bytes: its price."""

    recall: float
    k: int
    queries: int
    queries_per_second: float
    exact_queries_per_second: float
    build_seconds: float = 0.0
    bytes: int = 0


@dataclass(frozen=True)
class AnnoyTuning:
    """What `best_annoy` looks for, and where."""

    target_recall: float = 0.95
    """Share of the exact top k that the index has to find."""
    k: int = 10
    """Length of the audited lists."""
    trees: int = 50
    """More trees: better recall, a larger file, a longer build."""
    queries: int = 1000
    """Users that are asked at most, drawn by the seed: recall is then known to about 0.5 %."""
    seed: int = 0
    threads: int = 1
    """Build threads; above 1 the same seed no longer gives the same file."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What exact search lists for queries [q, dim], none of zeros, and the seconds it took."""

    queries: Vectors
    k: int
    top: TopK
    seconds: float

    @classmethod
    def of(cls, exact: Index, queries: Vectors, k: int = 10) -> "Truth":
        """Queries of zeros are left out. Raises: DataError if no query is left."""
        queries = placed(queries)
        exact.search(queries, k)  # what is compiled is loaded before the clock runs
        return cls(queries, k, *_timed(exact, queries, k))


def audit(index: Index, truth: Truth, *, build_seconds: float = 0.0, bytes: int = 0) -> Audit:
    """Recall and speed of `index` on the queries of `truth`.

    A listed item whose score reaches the exact k-th counts as found: which of equal items are
    listed does not matter.
    """
    found, seconds = _timed(index, truth.queries, truth.k)
    n = len(truth.queries)
    return Audit(
        recall=recall(found, truth.top),
        k=truth.k,
        queries=n,
        queries_per_second=n / seconds,
        exact_queries_per_second=n / truth.seconds,
        build_seconds=build_seconds,
        bytes=bytes,
    )


def recall(found: TopK, truth: TopK) -> float:
    """Share of the exact lists that was found, over all queries; 1 where there is nothing."""
    listed = truth.rows >= 0
    kth = np.where(listed, truth.scores, np.inf).min(axis=1, initial=np.inf)
    hits = (found.rows >= 0) & (found.scores >= kth[:, None])
    return float(hits.sum() / listed.sum()) if listed.any() else 1.0


def placed(queries: Vectors) -> Vectors:
    """The queries that are not all zeros.

    Raises: DataError if there are none.
    """
    left: Vectors = queries[(queries != 0).any(axis=1)]
    if len(left):
        return left
    raise DataError(
        f"an audit needs user vectors, but all of the {len(queries)} are zeros: "
        "audit with users whose items were trained"
    )


def best_annoy(
    embeddings: Embeddings,
    queries: Vectors,
    folder: Path,
    tuning: AnnoyTuning = AnnoyTuning(),
    *,
    machine: Machine = THIS_MACHINE,
    progress: Progress = QUIET,
) -> tuple[Path, dict[str, Any], int, Audit, list[dict[str, Any]]]:
    """Build an index for each metric in `folder` and keep the one that suits these user queries.

    For each, search_k grows until the target recall holds, or the other one has reached it faster;
    the faster one is kept, and its rival's file removed. Neither metric wins everywhere: Annoy's
    own "dot" loses nearly all recall on some vectors and is the faster one on others.

    Returns: its path, its meta, its search_k, its audit, and every audit made on the way.
    """
    queries = placed(queries)
    if len(queries) > tuning.queries:
        drawn = rng(tuning.seed, "audit").choice(len(queries), tuning.queries, replace=False)
        queries = queries[np.sort(drawn)]
    truth = Truth.of(ExactIndex(embeddings, machine), queries, tuning.k)
    tried: list[dict[str, Any]] = []
    best: list[tuple[Path, dict[str, Any], int, Audit]] = []
    for metric in METRICS:
        path = folder / f"{metric}.ann"
        meta = build_annoy(
            embeddings,
            path,
            metric=metric,
            trees=tuning.trees,
            seed=tuning.seed,
            threads=tuning.threads,
        )
        for search_k in _ladder(tuning.trees * tuning.k, meta["n"]):
            index = AnnoyIndex(path, meta, embeddings, search_k, machine)
            price = {"build_seconds": meta["build_seconds"], "bytes": meta["bytes"]}
            result = audit(index, truth, **price)
            tried.append({"metric": metric, "search_k": search_k, **asdict(result)})
            progress.say(
                f"annoy {metric}, search_k {search_k:,}: recall@{tuning.k} {result.recall:.3f}, "
                f"{result.queries_per_second:,.0f} queries/s"
            )
            if result.recall >= tuning.target_recall or any(
                _beats(rival[3], result, tuning.target_recall) for rival in best
            ):
                break
        best.append((path, meta, search_k, result))
    kept, rival = sorted(best, key=lambda each: _merit(each[3], tuning.target_recall), reverse=True)
    rival[0].unlink()
    return *kept, tried


def _ladder(start: int, n: int) -> Iterator[int]:
    """Start, 2 x start ... below n, and n: there the index scores everything, as exact does."""
    while start < n:
        yield start
        start *= 2
    yield max(n, 1)


def _beats(rival: Audit, result: Audit, target: float) -> bool:
    """Whether a larger search_k, which is slower still, could no longer win."""
    return rival.recall >= target and rival.queries_per_second > result.queries_per_second


def _merit(result: Audit, target: float) -> tuple[bool, float]:
    """Reaching the target comes first; then speed, or recall where it is not reached."""
    reached = result.recall >= target
    return reached, result.queries_per_second if reached else result.recall


def _timed(index: Index, queries: Vectors, k: int) -> tuple[TopK, float]:
    begin = time.perf_counter()
    top = index.search(queries, k)
    return top, max(time.perf_counter() - begin, 1e-9)
