"""Items of a model on a plane, so that people can see what it takes for alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.errors import MissingExtra
from recembed.report.document import ItemMap
from recembed.seed import rng

ITEMS = 2000  # t-SNE of these takes about ten seconds on one core, and a plane holds no more
DIM = 50  # components that t-SNE sees, as its authors do: the rest is mostly noise
PERPLEXITY = 30.0  # neighbours that an item keeps close, scikit-learn's and the paper's usual one
PLACES = 4  # digits of a coordinate: finer than a screen


def item_map(
    model: str,
    embeddings: Embeddings,
    titles: Sequence[str],
    categories: Sequence[str],
    events: NDArray[np.int64],
    seed: int,
) -> ItemMap:
    """The trained items with the most events, by PCA and by t-SNE; the farthest is at 1.

    titles, categories, events: of every item of the vocabulary. t-SNE has nothing to say of items
    that are all alike, or of less than five: there it is the PCA.

    Raises: MissingExtra without scikit-learn.
    Source: van der Maaten and Hinton 2008.
    """
    known = np.flatnonzero(embeddings.known)
    rows = known[np.argsort(-events[known], kind="stable")[:ITEMS]]
    components = _components(embeddings.scored()[rows])
    pca = _scaled(components[:, :2])
    enough = len(rows) >= 5 and bool(pca.any())
    tsne = _scaled(_tsne(components, seed)) if enough else pca
    return ItemMap(
        model=model,
        titles=tuple(titles[row] for row in rows),
        categories=tuple(categories[row] for row in rows),
        events=tuple(int(count) for count in events[rows]),
        pca=_tuples(pca),
        tsne=_tuples(tsne),
    )


def _components(vectors: Vectors) -> NDArray[np.float32]:
    """Principal components, the largest first, [n, 2 to DIM]."""
    if not len(vectors):
        return np.zeros((0, 2), np.float32)
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    components = (left * sizes)[:, :DIM]
    missing = max(2 - components.shape[1], 0)
    return np.pad(components, ((0, 0), (0, missing))).astype(np.float32)


def _tsne(components: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtra("the map of the items", "report") from error
    first = components[:, :2] / components[:, 0].std() * 1e-4  # as scikit-learn scales its own
    state = int(rng(seed, "tsne").integers(2**31))
    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    tsne = TSNE(init=first.astype(np.float32), perplexity=perplexity, random_state=state)
    with threadpool_limits(1):  # a thousand short rounds: threads wait for each other, 4x the time
        found: NDArray[np.float32] = tsne.fit_transform(components)
    return found


def _scaled(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same picture with its farthest point at 1, whatever the unit."""
    farthest = np.abs(places).max(initial=0)
    return places / farthest if farthest > 1e-6 else np.zeros_like(places)


def _tuples(places: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), PLACES) for value in place) for place in places)
