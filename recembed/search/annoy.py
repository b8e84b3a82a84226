"""Annoy: a forest of random splits that looks at a few thousand items instead of all.

The file is mapped, not read: processes that serve one run share its pages.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recembed.arrays import Mask, Vectors, blocks
from recembed.errors import MissingExtra, RunError
from recembed.search.approximate import Metric, spread
from recembed.search.mips import augment_queries
from recembed.search.select import Places

CHUNK = 64  # queries that a thread takes at a time: enough to outweigh handing them over


def write_annoy(
    vectors: Vectors, path: Path, *, metric: Metric, size: int, seed: int, threads: int
) -> None:
    """Write a forest of `size` trees over vectors [m, dim] to `path`; not atomic.

    With one thread the same seed gives the same bytes; with more it does not.

    Raises: MissingExtra if annoy is not installed.
    """
    forest = _annoy()(vectors.shape[1], metric)
    forest.set_seed(seed)
    for place, vector in enumerate(vectors):
        forest.add_item(place, vector.tolist())
    forest.build(size, n_jobs=threads)
    forest.save(str(path))
    forest.unload()


class AnnoyFinder:
    """Effort is Annoy's search_k."""

    cost = 1
    masks = False

    def __init__(self, path: Path, meta: Mapping[str, Any], threads: int) -> None:
        """A checked file.

        Raises: MissingExtra if annoy is not installed; RunError if the file cannot be read.
        """
        self.angular, self.threads = meta["metric"] == "angular", threads
        self.forest = _annoy()(meta["dim"] + self.angular, meta["metric"])
        try:
            self.forest.load(str(path))
        except OSError as error:
            raise RunError(f"Annoy cannot read {path}: run `recembed index` again") from error

    def nearest(
        self, queries: Vectors, fetch: Places, effort: Places, mask: Mask | None
    ) -> tuple[Places, Places]:
        """See Finder."""
        vectors = augment_queries(queries) if self.angular else queries

        def ask(chunk: Places) -> list[list[int]]:  # Annoy lets go of the GIL
            find = self.forest.get_nns_by_vector
            return [find(vectors[i].tolist(), int(fetch[i]), int(effort[i])) for i in chunk]

        every = np.arange(len(queries))
        answers = spread(ask, [every[b] for b in blocks(len(every), 1, CHUNK)], self.threads)
        lists = [places for answer in answers for places in answer]
        owners = np.repeat(every, [len(places) for places in lists])
        return owners, np.array([place for places in lists for place in places], np.int64)


def _annoy() -> Any:
    try:
        from annoy import AnnoyIndex
    except ImportError as error:
        raise MissingExtra("Annoy indices", "annoy") from error
    return AnnoyIndex
