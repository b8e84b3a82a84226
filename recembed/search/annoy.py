"""Annoy: a forest of random splits that looks at a few thousand items instead of all."""

import importlib.metadata
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from recembed.arrays import Mask, Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import MissingExtra, RunError
from recembed.protocols import THIS_MACHINE, Machine, TopK
from recembed.search.candidates import Candidates, Filter, fingerprint
from recembed.search.exact import ExactIndex
from recembed.search.mips import augment, augment_queries
from recembed.search.select import Places, best_pairs, check_filters, clipped, joined

Metric: TypeAlias = Literal["dot", "angular"]
METRICS: tuple[Metric, ...] = ("dot", "angular")

HOPELESS = 8  # a list longer than 1/8 of the items: scoring all of them is cheaper than fetching
CHUNK = 64  # queries that a thread takes at a time: enough to outweigh handing them over
ANSWER = 256  # bytes that an item takes on its way, as a Python int of Annoy's and in arrays


def build_annoy(
    embeddings: Embeddings,
    path: Path,
    *,
    metric: Metric,
    trees: int = 50,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """Write an index of the known items to `path` and return its meta, which loading needs.

    metric "angular" indexes the vectors with one more column, see `mips`. With one thread the same
    seed gives the same bytes; with more it does not. The write is not atomic: give a temporary
    path and rename it. Annoy's own ids are places among the known rows.

    Raises: MissingExtra if annoy is not installed.
    """
    candidates = Candidates.of(embeddings)
    vectors = augment(candidates.vectors) if metric == "angular" else candidates.vectors
    begin = time.perf_counter()
    forest = _annoy()(vectors.shape[1], metric)
    forest.set_seed(seed)
    for place, vector in enumerate(vectors):
        forest.add_item(place, vector.tolist())
    forest.build(trees, n_jobs=threads)
    forest.save(str(path))
    forest.unload()
    return {
        "kind": "annoy",
        "metric": metric,
        "dim": embeddings.dim,
        "n": len(candidates),
        "trees": trees,
        "seed": seed,
        "threads": threads,
        "vectors_sha256": fingerprint(embeddings),
        "annoy_version": importlib.metadata.version("annoy"),
        "build_seconds": time.perf_counter() - begin,
        "bytes": path.stat().st_size,
    }


class AnnoyIndex:
    """Candidates from Annoy, scored and ordered by their true dot products.

    Every list is full: where filters eat into it more is fetched, and a query that Annoy cannot
    answer for less than scoring all its eligible items is answered exactly.
    """

    def __init__(
        self,
        path: Path,
        meta: Mapping[str, Any],
        embeddings: Embeddings,
        search_k: int,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """search_k: items that Annoy looks at for a query without filters.

        Raises: RunError if the file is not the one of `meta`, or was built for other vectors;
        MissingExtra if annoy is not installed.
        """
        annoy = _annoy()
        _check(path, meta, embeddings)
        self.exact = ExactIndex(embeddings, machine)
        self.candidates = self.exact.candidates
        self.meta, self.search_k, self.machine = dict(meta), search_k, machine
        self.forest = annoy(embeddings.dim + (meta["metric"] == "angular"), meta["metric"])
        self.forest.load(str(path))

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """Min(k, eligible) items of each query [q, dim], nearly the best; `tied` is unknown (-1).

        Raises: DataError if k, the queries or the filters do not fit.
        """
        if not len(self.candidates):
            return self.exact.search(queries, k, exclude=exclude, allow=allow)
        self.candidates.prepared(queries)  # all that is wrong is said before anything is searched
        k = clipped(k, self.candidates.n)
        check_filters(exclude, allow, len(queries), self.candidates.n)
        parts = []
        for block in blocks(len(queries), ANSWER * k, self.machine.memory):
            rows = np.arange(block.start, block.stop)
            ban = None if exclude is None else exclude.take(rows)
            own = allow.take(rows) if isinstance(allow, Sequences) else allow
            parts.append(self._block(queries[block], k, ban, own))
        return joined(parts, k)

    def _block(
        self,
        raw: Vectors,
        k: int,
        exclude: Sequences | None,
        allow: Mask | Sequences | None,
    ) -> TopK:
        queries = self.candidates.prepared(raw)
        rules = Filter.of(self.candidates, len(queries), exclude, allow)
        owners, places = self._found(queries, k, rules)
        scores = self.candidates.dots(queries, owners, places, self.machine.memory)
        top = self.candidates.as_rows(best_pairs(owners, places, scores, len(queries), k))
        top.tied[:] = -1
        rest = np.setdiff1d(np.arange(len(queries)), owners)  # each found query has an item
        if len(rest):
            true = self.exact.search(
                raw[rest],
                k,
                exclude=None if exclude is None else exclude.take(rest),
                allow=allow.take(rest) if isinstance(allow, Sequences) else allow,
            )
            top.rows[rest], top.scores[rest], top.tied[rest] = true.rows, true.scores, true.tied
        return top

    def _found(self, queries: Vectors, k: int, rules: Filter) -> tuple[Places, Places]:
        """(query, place) pairs that pass the rules, at least min(k, eligible) a query or none.

        A query that may list 1 item in f looks at f times as many to find as good a list; it gets
        none where that is more than the items it may list: exact search looks at fewer.
        """
        eligible, m = rules.eligible(), len(self.candidates)
        wider = m / np.maximum(eligible, 1)
        fetch = np.ceil(k * wider).astype(np.int64) + rules.taken()
        look = np.ceil(self.search_k * wider).astype(np.int64) + rules.taken()
        pending = np.flatnonzero((look < eligible) & (HOPELESS * fetch <= m))
        kept: list[tuple[Places, Places]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        while len(pending):
            owners, places = self._nearest(queries, pending, fetch, np.maximum(look, fetch))
            passed = rules.passes(owners, places)
            owners, places = owners[passed], places[passed]
            found = np.bincount(owners, minlength=len(queries))
            full = found >= np.minimum(k, eligible)
            kept.append((owners[full[owners]], places[full[owners]]))
            fetch, look = 2 * fetch, 2 * look
            pending = pending[~full[pending] & (HOPELESS * fetch[pending] <= m)]
        return np.concatenate([o for o, _ in kept]), np.concatenate([p for _, p in kept])

    def _nearest(
        self, queries: Vectors, pending: Places, fetch: Places, look: Places
    ) -> tuple[Places, Places]:
        """Annoy's own answer: (query, place) pairs, `fetch` of them a query at most."""
        vectors = augment_queries(queries) if self.meta["metric"] == "angular" else queries

        def ask(chunk: Places) -> list[list[int]]:  # Annoy lets go of the GIL
            nearest = self.forest.get_nns_by_vector
            return [nearest(vectors[i].tolist(), int(fetch[i]), int(look[i])) for i in chunk]

        chunks = [pending[block] for block in blocks(len(pending), 1, CHUNK)]
        if self.machine.threads == 1 or len(chunks) == 1:
            answers = [ask(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(self.machine.threads) as pool:
                answers = list(pool.map(ask, chunks))
        lists = [places for answer in answers for places in answer]
        owners = np.repeat(pending, [len(places) for places in lists])
        return owners, np.array([place for places in lists for place in places], np.int64)


def _check(path: Path, meta: Mapping[str, Any], embeddings: Embeddings) -> None:
    """Raise RunError unless `path` is safe to load: Annoy itself would crash on a short file."""
    if not path.is_file():
        raise RunError(f"there is no index at {path}: run `recembed index` again")
    size = path.stat().st_size
    if size != meta.get("bytes"):
        raise RunError(
            f"{path} has {size} bytes where {meta.get('bytes')} were written: it was cut short or "
            "replaced, run `recembed index` again"
        )
    if meta.get("metric") not in METRICS:
        raise RunError(
            f"{path} has the metric {meta.get('metric')!r}, expected 'dot' or 'angular': "
            "run `recembed index` again"
        )
    built = tuple(meta.get(name) for name in ("dim", "n", "vectors_sha256"))
    if built != (embeddings.dim, int(embeddings.known.sum()), fingerprint(embeddings)):
        raise RunError(
            f"{path}: this index was built for other item vectors: run `recembed index` again"
        )


def _annoy() -> Any:
    try:
        from annoy import AnnoyIndex as Forest
    except ImportError as error:
        raise MissingExtra("Annoy indices", "annoy") from error
    return Forest
