"""Item-to-item weights in closed form: one inverse of a matrix, and a baseline hard to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack

from recembed.arrays import Mask, Rows, Vectors, blocks
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.memory import free_memory
from recembed.models.units import trained_events, unit_matrix
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine, TopK, Validate
from recembed.search.select import rank
from recembed.settings import check, log_between, one_of, setting
from recembed.training.recency import Recency

MOST_ITEMS = 40_000  # 6 GiB, and an inverse takes hours; LAPACK counts to 46,340 squared
GIB = 2**30


@dataclass(frozen=True)
class EASE:
    """Scores by weights between items that explain each item of a history by its others.

    B minimises |X - X B|^2 + regularization |B|^2 with zeros on its diagonal; a history is scored
    by the sum of its items' rows. Memory: 4 n^2 bytes for n items. Source: Steck 2019.
    """

    name: ClassVar[str] = "ease"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "items explain each other within users or groups",
        search=one_of("user", "group", needs="group"),
    )
    regularization: float = setting(
        200.0,
        "added to the diagonal: the fewer events, the more of it",
        low=1e-3,
        search=log_between(5.0, 5000.0),
    )
    min_count: int = setting(1, "items of fewer events are left out", low=1)
    recency: Recency = setting(Recency(), "how a history is weighted when it is scored")

    def __post_init__(self) -> None:
        check(self)

    def fit(
        self,
        log: Log,
        *,
        validate: Validate | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> "EASEModel":
        """Invert. Raises: DataError if the items are too many, for the memory or at all."""
        from threadpoolctl import threadpool_limits

        events = log.interactions
        known = events.counts() >= self.min_count
        rows = np.flatnonzero(known).astype(np.int32)
        if not len(rows):
            raise DataError(f"no item has {self.min_count} events: set min_count lower")
        _check_size(len(rows), free_memory())
        matrix = unit_matrix(events, self.unit)[:, rows]
        with (
            threadpool_limits(machine.threads, "blas"),
            progress.task("EASE", len(rows), "items") as task,
        ):
            weights = _weights(_gram(matrix, machine.memory), self.regularization)
            task.advance(len(rows))
        return EASEModel(weights, rows, known, self.recency, machine)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> "EASEModel":
        known = np.zeros(len(items), np.bool_)
        known[arrays["rows"]] = True
        return EASEModel(arrays["weights"], arrays["rows"], known, self.recency, machine)


@dataclass(frozen=True, eq=False)
class EASEModel:
    """weights float32 [m, m]: row i has what an event of item rows[i] adds to each of `rows` [m].

    known bool [n_items]: the items of `rows`.
    """

    weights: Vectors
    rows: Rows
    known: Mask
    recency: Recency
    machine: Machine = THIS_MACHINE

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        weighted = self.recency.matrix(trained_events(histories, self.known))[:, self.rows]

        def scores(block: slice) -> Vectors:
            found: Vectors = weighted[block] @ self.weights  # [block, m]
            if len(self.rows) == len(self.known):
                return found
            wide = np.zeros((len(found), len(self.known)), np.float32)
            wide[:, self.rows] = found
            return wide

        return rank(
            scores,
            histories.n_users,
            k,
            known=self.known,
            exclude=exclude,
            allow=allow,
            memory=self.machine.memory,
        )

    def arrays(self) -> Arrays:
        return {"weights": self.weights, "rows": self.rows}


def _check_size(n: int, free: int | None) -> None:
    """Raises: DataError for n items whose n x n numbers are more than there is memory for."""
    needed = 4 * n * n
    told = f"{n:,} items, {needed:,} bytes ({needed / GIB:.1f} GiB) of weights between them"
    if n > MOST_ITEMS:
        raise DataError(
            f"EASE is for up to {MOST_ITEMS:,} items; this log has {told}: leave rare ones out "
            "(min_count), or take item-knn or als"
        )
    if free is not None and needed > free:
        raise DataError(
            f"EASE needs more memory than the {free:,} bytes that are free: {told}; leave rare "
            "items out (min_count), or take item-knn or als"
        )


def _gram(matrix: sp.csr_matrix, memory: int) -> Vectors:
    """X'X of X [n_units, m], float32 [m, m]."""
    across = matrix.T.tocsr()
    m = matrix.shape[1]
    gram = np.empty((m, m), np.float32)
    for block in blocks(m, 16 * m, memory // 4):  # a sparse block has 8 bytes a pair at most
        gram[block] = (across[block] @ matrix).toarray()
    return gram


def _weights(gram: Vectors, regularization: float) -> Vectors:
    """B [m, m] of Gram matrix [m, m], in its place: -P_ij / P_jj with P = (G + reg I)^-1.

    Raises: DataError if there is no inverse in float32.
    """
    at = np.arange(len(gram))
    gram[at, at] += np.float32(regularization)
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1)
    inverse: Vectors = lapack.spotri(factor, lower=1, overwrite_c=1)[0].T
    scale = -np.diag(inverse)
    if failed or not (scale < 0).all():  # weights of events can be so large that it is nan
        raise DataError(
            f"EASE has no answer at regularization {regularization}: set regularization higher, "
            "or make the weights of events smaller"
        )
    for i in at[1:]:
        inverse[i, :i] = inverse[:i, i]
    inverse /= scale
    inverse[at, at] = 0
    return inverse
