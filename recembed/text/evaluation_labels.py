"""What vectors of labelled texts are worth: to group them, and to tell the label of a new one."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recembed.arrays import Mask, Vectors, unit
from recembed.errors import DataError, MissingExtra
from recembed.metrics.intervals import Interval, Resamples
from recembed.protocols import THIS_MACHINE, Machine
from recembed.text.encoder import Encoder
from recembed.text.encoding import encoded
from recembed.text.evaluation import Tally
from recembed.text.pair_files import Labelled

FOLDS = 5
STARTS = 10  # of k-means; the tightest clusters are kept
SAMPLE = 10_000  # texts whose distances tell the silhouette: each to each


@dataclass(frozen=True)
class Grouping:
    """v_measure: of k-means, as many clusters as labels. silhouette: of the labels, by cosines.

    accuracy: of a logistic regression, on a fifth that it was not trained on, five times.
    most_frequent: what it would be without vectors. rare: texts of labels with less than five,
    which are left out.
    """

    test: str
    texts: int
    labels: int
    rare: int
    v_measure: float
    silhouette: float
    accuracy: Interval
    most_frequent: float
    tally: Tally


def grouping(
    encoder: Encoder,
    labelled: Labelled,
    test: str = "",
    *,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
) -> Grouping:
    """Compare what lies together with what has one label; the interval is over texts.

    Raises: DataError if there are not two labels of five texts; MissingExtra without scikit-learn.
    """
    try:
        from sklearn.metrics import silhouette_score, v_measure_score
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise MissingExtra("grouping texts by their labels", "text") from error
    kept, labels = _frequent(labelled.labels, test)
    tally = Tally()
    texts = [labelled.texts[row] for row in np.flatnonzero(kept).tolist()]
    vectors = unit(tally.of(encoded(encoder, texts)))
    sizes = np.bincount(labels)
    with _calmly(machine):
        v_measure = v_measure_score(labels, _clusters(vectors, len(sizes), seed))
        silhouette = silhouette_score(
            vectors,
            labels,
            metric="cosine",
            sample_size=SAMPLE if len(labels) > SAMPLE else None,
            random_state=seed,
        )
        right = (_told(vectors, labels, seed) == labels).astype(np.float64)
    return Grouping(
        test,
        len(labels),
        len(sizes),
        len(kept) - len(labels),
        float(v_measure),
        float(silhouette),
        Resamples(np.arange(len(labels)), seed=seed).interval(right),
        float(sizes.max() / len(labels)),
        tally,
    )


def _frequent(labels: Sequence[str], test: str) -> tuple[Mask, NDArray[np.int64]]:
    """Texts whose label has enough of them, and their labels as numbers."""
    _, numbers, sizes = np.unique(np.array(labels), return_inverse=True, return_counts=True)
    kept = sizes[numbers] >= FOLDS
    names, left = np.unique(numbers[kept], return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{test or 'this test'} has {len(names)} of {len(sizes)} labels with at least {FOLDS} "
            "texts: two are needed"
        )
    return kept, left


def _clusters(vectors: Vectors, n: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    found: NDArray[np.int64] = KMeans(n, n_init=STARTS, random_state=seed).fit_predict(vectors)
    return found


def _told(vectors: Vectors, labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The label of each text, by a classifier that was trained without it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    # numbers are then about 1, whatever dim: the same penalty suits all encoders
    scaled = vectors * np.sqrt(vectors.shape[1])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(max_iter=1000)
    found: NDArray[np.int64] = cross_val_predict(model, scaled, labels, cv=folds)
    return found


@contextmanager
def _calmly(machine: Machine) -> Iterator[None]:
    """On so many threads, and without warnings of steps that were not enough or equal texts."""
    from sklearn.exceptions import ConvergenceWarning

    with threadpool_limits(machine.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
