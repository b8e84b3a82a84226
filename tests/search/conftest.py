"""A small random world to search in, its answers by brute force, and every kind of index."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import Machine
from recembed.search import batch
from recembed.search.exact import ExactIndex
from recembed.search.kinds import build as build_index
from recembed.search.kinds import opened

ONE_THREAD = Machine(threads=1)
APPROXIMATE = ("annoy", "hnsw", "ivf")


@dataclass(frozen=True)
class World:
    embeddings: Embeddings
    queries: np.ndarray
    k: int
    exclude: Sequences | None
    allow: np.ndarray | Sequences | None

    @property
    def n(self):
        return len(self.embeddings.known)

    def eligible(self):
        """bool [q, n], spelled out pair by pair."""
        may = np.tile(self.embeddings.known, (len(self.queries), 1))
        for query in range(len(self.queries)):
            if isinstance(self.allow, Sequences):
                may[query] &= np.isin(np.arange(self.n), self.allow[query])
            elif self.allow is not None:
                may[query] &= self.allow
            if self.exclude is not None:
                may[query, self.exclude[query]] = False
        return may

    def scores(self):
        """float32 [q, n] from float64 products."""
        queries = self.queries.astype(np.float64)
        if self.embeddings.metric == "cosine":
            norms = np.linalg.norm(queries, axis=1, keepdims=True)
            queries = np.divide(queries, norms, out=np.zeros_like(queries), where=norms > 0)
            queries = queries.astype(np.float32).astype(np.float64)
        items = self.embeddings.scored().astype(np.float64)
        return (queries[:, None, :] * items).sum(axis=2).astype(np.float32)

    def search(self, index, at=slice(None)):
        rows = np.arange(len(self.queries))[at]
        return index.search(
            self.queries[rows],
            self.k,
            exclude=None if self.exclude is None else self.exclude.take(rows),
            allow=self.allow.take(rows) if isinstance(self.allow, Sequences) else self.allow,
        )


def lists(rng, n_queries, n, most):
    sizes = rng.integers(0, most + 1, n_queries) if n else np.zeros(n_queries, int)
    return Sequences.of([rng.integers(0, n, size).tolist() for size in sizes])


def make_world(seed, most=200):
    """Integer vectors make many equal scores; some worlds are empty."""
    rng = np.random.default_rng(seed)
    n, dim, n_queries = int(rng.integers(0, most)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    if rng.random() < 0.5:
        vectors = rng.integers(-2, 3, (n, dim)).astype(np.float32)
        queries = rng.integers(-2, 3, (n_queries, dim)).astype(np.float32)
    else:
        vectors = rng.normal(size=(n, dim)).astype(np.float32)
        queries = rng.normal(size=(n_queries, dim)).astype(np.float32)
        vectors[rng.integers(0, n, n // 3) if n else []] = vectors[:1]
    known = rng.random(n) < rng.choice([0.0, 0.5, 0.9, 1.0], p=[0.05, 0.2, 0.25, 0.5])
    exclude = lists(rng, n_queries, n, int(rng.choice([3, n]))) if rng.random() < 0.5 else None
    allow = [None, rng.random(n) < rng.random(), lists(rng, n_queries, n, n)][rng.integers(3)]
    metric = "cosine" if rng.random() < 0.3 else "dot"
    embeddings = Embeddings(Vocabulary.numbered(n), vectors, known, metric)
    return World(embeddings, queries, int(rng.integers(1, 9)), exclude, allow)


def approximate(kind, metric):
    def build(embeddings, machine=ONE_THREAD, effort=3):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            meta = build_index(kind, embeddings, path, metric=metric, size=3)
            return opened(path, meta, embeddings, effort, machine)  # stays mapped

    return build


def exact(embeddings, machine=ONE_THREAD):
    return ExactIndex(embeddings, machine)


class Batched(ExactIndex):
    """Even one query is searched by the compiled kernels, in tiny blocks."""

    many = 0

    def search(self, *args, **kwargs):
        with mock.patch.multiple(batch, ROWS=3, TILE=50):
            return super().search(*args, **kwargs)


def batched(embeddings, machine=ONE_THREAD):
    return Batched(embeddings, machine)


KINDS = {
    "exact": exact,
    "batched": batched,
    **{
        f"{kind}-{metric}": approximate(kind, metric)
        for kind in APPROXIMATE
        for metric in ("dot", "angular")
    },
}


@pytest.fixture(params=KINDS, scope="session")
def build(request):
    """Embeddings, machine -> each kind of index in turn."""
    return KINDS[request.param]


@pytest.fixture(params=["exact", "batched"], scope="session")
def exactly(request):
    """Exact search by NumPy, and by the compiled kernels."""
    return KINDS[request.param]


@pytest.fixture(scope="session")
def world():
    """Seed -> World."""
    return make_world
