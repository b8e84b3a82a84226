"""FAISS: a graph of near items (HNSW), and lists of items near common centres (IVF).

The files are mapped, not read: processes that serve one run share their pages.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from recembed.arrays import Mask, Vectors, blocks
from recembed.errors import MissingExtra, RunError
from recembed.search.approximate import Metric, spread
from recembed.search.mips import augment_queries
from recembed.search.select import Places

CHUNK = 16  # queries a call; from 20 on FAISS multiplies matrices, which rounds in another way
WIDTH = 80  # of the search when an item is linked: 40 loses recall, 200 takes twice as long
LINKED = 32  # links of an item at the usual size: each leads to a product somewhere in memory
STEPS = np.unique(np.ceil(2 ** (np.arange(31 * 4) / 4)).astype(np.int64))


def write_hnsw(
    vectors: Vectors, path: Path, *, metric: Metric, size: int, seed: int, threads: int
) -> None:
    """Write a graph over vectors [m, dim] with `size` links an item (at the bottom twice that).

    With one thread the same seed gives the same bytes.

    Raises: MissingExtra if FAISS is not installed.
    """
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(vectors.shape[1], size, _metric(faiss, metric))
    index.hnsw.efConstruction = WIDTH
    index.hnsw.rng = faiss.RandomGenerator(seed)
    with _using(faiss, threads):
        index.add(np.ascontiguousarray(vectors))
    _write(faiss, index, path)


def write_ivf(
    vectors: Vectors, path: Path, *, metric: Metric, size: int, seed: int, threads: int
) -> None:
    """Write at most `size` lists of vectors [m, dim], each of those near to one centre.

    With one thread the same seed gives the same bytes.

    Raises: MissingExtra if FAISS is not installed.
    """
    faiss = _faiss()
    dim, of = vectors.shape[1], _metric(faiss, metric)
    flat = faiss.IndexFlatIP(dim) if metric == "dot" else faiss.IndexFlatL2(dim)
    index = faiss.IndexIVFFlat(flat, dim, max(1, min(size, len(vectors))), of)
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1  # else it warns of small catalogues
    vectors = np.ascontiguousarray(vectors)
    with _using(faiss, threads):
        if len(vectors):
            index.train(vectors)
            index.add(vectors)
    _write(faiss, index, path)


def _write(faiss: Any, index: Any, path: Path) -> None:
    """Raises: OSError, which FAISS tells in another way and at length."""
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        why = re.search(r"\(([^()]+)\)$", str(error).strip())
        raise OSError(why[1] if why else "FAISS could not write the index") from error


class FaissFinder:
    """Effort is HNSW's efSearch, the items whose links are followed; or the items in IVF's nprobe
    lists, as many as hold them on average.
    """

    masks = True

    def __init__(self, path: Path, meta: Mapping[str, Any], threads: int) -> None:
        """A checked file.

        Raises: MissingExtra if FAISS is not installed; RunError if the file is of another kind.
        """
        self.faiss, self.threads = _faiss(), threads
        self.angular, self.graph = meta["metric"] == "angular", meta["kind"] == "hnsw"
        self.cost = LINKED if self.graph else 1
        try:
            self.index = self.faiss.read_index(str(path), self.faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise RunError(f"FAISS cannot read {path}: run `recembed index` again") from error
        kind = self.faiss.IndexHNSWFlat if self.graph else self.faiss.IndexIVFFlat
        built = type(self.index), self.index.ntotal, self.index.d
        if built != (kind, meta["n"], meta["dim"] + self.angular):
            raise RunError(f"{path} holds another index than it says: run `recembed index` again")

    def nearest(
        self, queries: Vectors, fetch: Places, effort: Places, mask: Mask | None
    ) -> tuple[Places, Places]:
        """See Finder; one call has one length and one effort, so both go up to the next step."""
        vectors = augment_queries(queries) if self.angular else queries
        chosen = None if mask is None else self._selector(mask)
        lengths = np.minimum(_rounded(fetch), self.index.ntotal)
        keys, group = np.unique(lengths << 32 | _rounded(effort), return_inverse=True)
        settings = [self._setting(int(key) & 0xFFFFFFFF, chosen) for key in keys]

        def ask(chunk: Places) -> tuple[Places, Places]:  # FAISS lets go of the GIL
            kind = group[chunk[0]]
            length, setting = int(keys[kind]) >> 32, settings[kind]
            with _using(self.faiss, 1):
                _, found = self.index.search(vectors[chunk], length, params=setting)
            there = found >= 0
            return np.repeat(chunk, there.sum(axis=1)), found[there]

        order = np.argsort(group, kind="stable")
        alike = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
        chunks = [each[block] for each in alike for block in blocks(len(each), 1, CHUNK)]
        answers = spread(ask, chunks, self.threads)
        return np.concatenate([o for o, _ in answers]), np.concatenate([p for _, p in answers])

    def _selector(self, mask: Mask) -> Any:
        return self.faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def _setting(self, effort: int, chosen: Any) -> Any:
        if self.graph:
            return self.faiss.SearchParametersHNSW(efSearch=effort, sel=chosen)
        lists = -(-effort * self.index.nlist // self.index.ntotal)
        return self.faiss.SearchParametersIVF(nprobe=min(lists, self.index.nlist), sel=chosen)


def _rounded(values: Places) -> Places:
    """The smallest step that reaches each value; a step is its own."""
    steps: Places = STEPS[np.searchsorted(STEPS, np.minimum(values, STEPS[-1]))]
    return steps


@contextmanager
def _using(faiss: Any, threads: int) -> Iterator[None]:
    """FAISS's own threads, for what this thread calls."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _metric(faiss: Any, metric: Metric) -> int:
    """Vectors of one length are ordered alike by angle and by distance."""
    return int(faiss.METRIC_INNER_PRODUCT if metric == "dot" else faiss.METRIC_L2)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("FAISS indices", "faiss") from error
    return faiss
