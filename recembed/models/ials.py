"""Matrix factorization with frequency-scaled regularization, through irspack."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, MissingExtra
from recembed.models.factors import FactorModel
from recembed.models.foldin import fold_in, on_axes
from recembed.models.units import unit_matrix
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.recency import Recency
from recembed.training.rounds import Rounds


@dataclass(frozen=True)
class IALS:
    """Weighted matrix factorization whose regularization grows with the events of a user or item.

    Minimises sum w (x y - 1)^2 over events of weight w + alpha0 sum (x y)^2 over all pairs +
    regularization (n + alpha0 m)^nu |x|^2 for each user of n events among m items, and the same
    for each item. Users are folded in, known and new ones alike.
    Source: Rendle, Krichene, Zhang, Koren 2021; item factors by irspack.
    """

    name: ClassVar[str] = "ials"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "factorize users or groups against items",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(128, "number of factors", low=1, high=4096, search=one_of(32, 64, 128, 256))
    alpha0: float = setting(
        0.1,
        "weight of a pair without an event, where an event's is 1",
        low=1e-6,
        search=log_between(1e-3, 1.0),
    )
    regularization: float = setting(
        0.003, "of each user and item, scaled by its events", low=0, search=log_between(1e-4, 0.1)
    )
    nu: float = setting(
        1.0,
        "how regularization grows with events: 0 not at all, 1 in proportion",
        low=0,
        high=2,
    )
    iterations: int = setting(12, "rounds of both sides", low=1, search=between(4, 20))
    recency: Recency = setting(Recency(), "how a history is weighted when a user is folded in")

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
    ) -> FactorModel:
        """Factorize. Raises: MissingExtra without irspack; DataError if that has no answer."""
        from threadpoolctl import threadpool_limits

        events = log.interactions
        known = events.counts() > 0
        matrix = unit_matrix(events, self.unit)
        matrix = matrix[matrix.getnnz(axis=1) > 0][:, known]
        model = _recommender()(
            matrix,
            n_components=self.dim,
            alpha0=self.alpha0,
            reg=self.regularization,
            nu=self.nu,
            solver_type="IALSPP",
            random_seed=seed,
            n_threads=machine.threads,
        )

        def made() -> FactorModel:
            vectors = np.zeros((events.n_items, self.dim), np.float32)
            vectors[known] = model.get_item_embedding()
            return FactorModel(Embeddings(events.items, on_axes(vectors), known), self, machine)

        rounds = Rounds[FactorModel](validate, self.iterations)
        with (
            threadpool_limits(1, "blas"),
            progress.task("iALS", self.iterations, "rounds") as task,
        ):
            model.start_learning()
            try:
                for done in range(1, self.iterations + 1):
                    model.run_epoch()
                    task.advance(1)
                    rounds.after(done, made)
                return rounds.end(made)
            except np.linalg.LinAlgError as error:
                raise DataError(
                    f"iALS has no answer at regularization {self.regularization} and alpha0 "
                    f"{self.alpha0}: set them higher"
                ) from error

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> FactorModel:
        return FactorModel.restore(items, arrays, self, machine)

    def place(self, model: FactorModel, weights: sp.csr_matrix) -> Vectors:
        """(alpha0 Y'Y + sum w y y' + reg (n + alpha0 m)^nu I) x = sum w y, over alpha0."""
        confidence = weights.data / np.float32(self.alpha0)
        n_known = np.count_nonzero(model.items.known)
        scale = (np.diff(weights.indptr) + self.alpha0 * n_known) ** self.nu
        ridge = self.regularization / self.alpha0 * scale
        return fold_in(
            model.items.vectors,
            model.spread,
            weights,
            confidence,
            confidence,
            ridge,
            model.machine,
        )


def _recommender() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # irspack's own imports are out of date
        try:
            from irspack import IALSRecommender
        except ImportError as error:
            raise MissingExtra("iALS", "ials") from error
    return IALSRecommender
