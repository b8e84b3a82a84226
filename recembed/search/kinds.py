"""The kinds of approximate indices, and how one is built and opened."""

import importlib.metadata
import importlib.util
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.errors import RunError
from recembed.protocols import THIS_MACHINE, Machine
from recembed.search.annoy import AnnoyFinder, write_annoy
from recembed.search.approximate import ApproximateIndex, Finder, Metric, check
from recembed.search.candidates import Candidates, fingerprint
from recembed.search.faiss import FaissFinder, write_hnsw, write_ivf
from recembed.search.mips import augment

Approximate: TypeAlias = Literal["annoy", "hnsw", "ivf"]
IndexKind: TypeAlias = Literal["exact", "annoy", "hnsw", "ivf"]

APPROXIMATE_FROM = 30_000  # items that exact search scores in the time a call takes anyway


class Write(Protocol):
    """Writes an index of vectors [m, dim] to a file."""

    def __call__(
        self, vectors: Vectors, path: Path, *, metric: Metric, size: int, seed: int, threads: int
    ) -> None: ...


@dataclass(frozen=True)
class Kind:
    """label: its name for readers. package: whose version is noted. parts: what `size` counts.

    sizes: those worth trying for m items, the usual one first. finder: opens a checked file.
    """

    label: str
    package: str
    parts: str
    sizes: Callable[[int], tuple[int, ...]]
    write: Write
    finder: Callable[[Path, Mapping[str, Any], int], Finder]


def _lists(m: int) -> tuple[int, ...]:
    """About sqrt(m) lists cost least to choose and to read; more are shorter, and better aimed."""
    root = max(1, math.isqrt(m))
    return (root, 4 * root) if 4 * root < m else (root,)


KINDS: dict[str, Kind] = {
    "annoy": Kind("Annoy", "annoy", "trees", lambda m: (50, 100), write_annoy, AnnoyFinder),
    "hnsw": Kind("HNSW", "faiss-cpu", "links", lambda m: (16, 32), write_hnsw, FaissFinder),
    "ivf": Kind("IVF", "faiss-cpu", "lists", _lists, write_ivf, FaissFinder),
}


def suited(m: int) -> tuple[Approximate, ...]:
    """The kinds worth building for m items, most promising first; none where exact search is best.

    Measured at recall@10 0.95 of items around centres x 64, two busy cores (one user at a time in
    milliseconds | hundreds of users in thousands of queries/s | build in seconds):

        items                   exact        ivf             hnsw            annoy
        10,000                  0.4 |  7     0.4 | 26 |  1   0.4 |  8 |  4   0.4 | 13 |  1
        30,000, wide clusters   0.5 |  6     0.6 |  4 |  2   0.5 |  6 |  9   0.9 |  1 |  4
        100,000                 2.6 |  2.8   0.4 | 21 | 13   0.4 | 11 | 17   0.7 |  1.4 | 12
        300,000                11.5 |  0.9   0.4 |  9 | 54   0.5 |  4 | 72   not measured
    """
    if m < APPROXIMATE_FROM:
        return ()
    return ("ivf", "hnsw") if importlib.util.find_spec("faiss") else ("annoy",)


def build(
    kind: Approximate,
    embeddings: Embeddings,
    path: Path,
    *,
    metric: Metric,
    size: int,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """Write an index of the known items to `path` and return its meta, which opening needs.

    metric "angular" indexes the vectors with one more column, see `mips`. size: trees, links or
    lists. The write is not atomic: give a temporary path and rename it.

    Raises: MissingExtra if the kind's package is not installed.
    """
    candidates = Candidates.of(embeddings)
    vectors = augment(candidates.vectors) if metric == "angular" else candidates.vectors
    begin = time.perf_counter()
    KINDS[kind].write(vectors, path, metric=metric, size=size, seed=seed, threads=threads)
    return {
        "kind": kind,
        "metric": metric,
        "dim": embeddings.dim,
        "n": len(candidates),
        "size": size,
        "seed": seed,
        "threads": threads,
        "vectors_sha256": fingerprint(embeddings),
        "version": importlib.metadata.version(KINDS[kind].package),
        "build_seconds": time.perf_counter() - begin,
        "bytes": path.stat().st_size,
    }


def opened(
    path: Path,
    meta: Mapping[str, Any],
    embeddings: Embeddings,
    effort: int,
    machine: Machine = THIS_MACHINE,
) -> ApproximateIndex:
    """The index at `path`, whose bytes the caller has checked, with the meta of `build`.

    effort: items that it looks at for a query without filters.

    Raises: RunError if the file is not the one of `meta`, or was built for other vectors;
    MissingExtra if the kind's package is not installed.
    """
    check(path, meta, embeddings)
    kind = KINDS.get(str(meta["kind"]))
    if kind is None or effort < 1:
        raise RunError(
            f"{path} is a {meta['kind']!r} index with effort {effort}: there is "
            f"{', '.join(KINDS)}, from effort 1 on; run `recembed index` again"
        )
    return ApproximateIndex(kind.finder(path, meta, machine.threads), embeddings, effort, machine)
