"""Item-to-item neighbours by co-occurrence: the oldest baseline, and a strong one."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.units import over_popular, trained_events, unit_matrix
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine, TopK, Validate
from recembed.search.select import rank
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.recency import Recency


@dataclass(frozen=True)
class ItemKNN:
    """Scores by the summed similarity to the items of a history.

    Items are compared by the users (or groups) they share: cosine of the plain, the TF-IDF or the
    BM25 weighted columns, and each keeps its nearest `neighbours`; a candidate is scored by those
    of them that the history has. Items that none of a history's are near to come last, by
    popularity. Source: Deshpande, Karypis 2004; similarities by implicit.
    """

    name: ClassVar[str] = "item-knn"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "items are compared by shared users or groups",
        search=one_of("user", "group", needs="group"),
    )
    similarity: Literal["cosine", "tfidf", "bm25"] = setting(
        "cosine", "how columns are weighted", search=one_of("cosine", "tfidf", "bm25")
    )
    neighbours: int = setting(
        200, "similar items kept for each, itself too", low=1, search=log_between(10, 1000)
    )
    k1: float = setting(
        1.2, "BM25: how fast repeated counts saturate", low=0, search=log_between(0.1, 10.0)
    )
    b: float = setting(
        0.75,
        "BM25: how much the length of a history counts",
        low=0,
        high=1,
        search=between(0.0, 1.0),
    )
    recency: Recency = setting(Recency(), "how a history is weighted")

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
    ) -> "ItemKNNModel":
        """Find each item's neighbours. Raises: MissingExtra without implicit."""
        from recembed.models.implicit_door import implicit_module

        nearest = implicit_module("implicit.nearest_neighbours")
        makers: dict[str, Any] = {
            "cosine": lambda: nearest.CosineRecommender(K=self.neighbours),
            "tfidf": lambda: nearest.TFIDFRecommender(K=self.neighbours),
            "bm25": lambda: nearest.BM25Recommender(K=self.neighbours, K1=self.k1, B=self.b),
        }
        model = makers[self.similarity]()
        model.num_threads = machine.threads
        matrix = unit_matrix(log.interactions, self.unit)
        with (
            warnings.catch_warnings(),
            progress.task("item-kNN", log.interactions.n_items, "items") as task,
        ):
            warnings.simplefilter("ignore")  # implicit warns of a conversion inside its own fit
            model.fit(matrix, show_progress=False)
            task.advance(log.interactions.n_items)
        similarity = sp.csr_matrix(model.similarity, dtype=np.float32).T.tocsr()
        counts = log.interactions.counts().astype(np.float32)
        return ItemKNNModel(similarity, counts, self.recency, machine)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> "ItemKNNModel":
        n = len(items)
        parts = (arrays["values"], arrays["rows"], arrays["offsets"])
        similarity = sp.csr_matrix(parts, shape=(n, n))
        return ItemKNNModel(similarity, arrays["counts"], self.recency, machine)


@dataclass(frozen=True, eq=False)
class ItemKNNModel:
    """similarity [n_items, n_items]: row i has what an event of item i adds to each item.

    counts float32 [n_items]: events of each item in training.
    """

    similarity: sp.csr_matrix
    counts: Vectors
    recency: Recency
    machine: Machine = THIS_MACHINE

    @property
    def known(self) -> Mask:
        """Items seen in training."""
        return self.counts > 0

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        weights = self.recency.matrix(trained_events(histories, self.known))
        return rank(
            lambda block: over_popular(weights[block] @ self.similarity, self.counts),
            histories.n_users,
            k,
            known=self.known,
            exclude=exclude,
            allow=allow,
            memory=self.machine.memory,
        )

    def arrays(self) -> Arrays:
        return {
            "values": self.similarity.data,
            "rows": self.similarity.indices.astype(np.int32),
            "offsets": self.similarity.indptr.astype(np.int64),
            "counts": self.counts,
        }
