"""Matrix factorization by Bayesian personalized ranking, through implicit; users are folded in."""

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
from recembed.errors import DataError
from recembed.models.factors import FactorModel
from recembed.models.foldin import fold_in, on_axes
from recembed.models.units import unit_matrix
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.recency import Recency
from recembed.training.rounds import Rounds


@dataclass(frozen=True)
class BPR:
    """Matrix factorization that puts the items of a user before all others.

    Trained by gradient steps on pairs of an item of the user and one drawn from the log: with
    more than one thread no two trainings are alike. Users are folded in, known and new ones
    alike, by the same objective to its second order around 0, where it is a least-squares
    problem. Source: Rendle et al. 2009; item factors and biases by implicit.
    """

    name: ClassVar[str] = "bpr"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "factorize users or groups against items",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(64, "number of factors", low=1, high=4096, search=one_of(32, 64, 128, 256))
    learning_rate: float = setting(
        0.02, "size of a gradient step", low=1e-6, search=log_between(0.003, 0.3)
    )
    regularization: float = setting(
        0.01, "decay of factors and biases a step", low=0, search=log_between(1e-4, 0.1)
    )
    iterations: int = setting(100, "passes over the events", low=1, search=between(20, 300))
    strength: float = setting(
        2.0,
        "how much a history counts against the items' biases",
        low=0,
        search=log_between(0.3, 10.0),
    )
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
        """Train. Raises: MissingExtra without implicit; DataError if training diverges."""
        from recembed.models.implicit_door import implicit_module

        events = log.interactions
        known = events.counts() > 0
        bpr = implicit_module("implicit.cpu.bpr")
        failed = implicit_module("implicit.recommender_base").ModelFitError
        model = bpr.BayesianPersonalizedRanking(
            factors=self.dim,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            iterations=self.iterations,
            num_threads=machine.threads,
            random_state=seed,
        )

        def made() -> FactorModel:
            with np.errstate(all="ignore"):  # on_axes tells of factors that are not finite
                vectors = model.item_factors - model.item_factors[known].mean(axis=0)
            vectors[~known] = 0
            vectors[:, :-1] = on_axes(vectors[:, :-1])  # the last column is the bias
            return FactorModel(Embeddings(events.items, vectors, known), self, machine)

        def after(iteration: int, *_: Any) -> None:
            task.advance(1)
            rounds.after(iteration + 1, made)

        rounds = Rounds[FactorModel](validate, self.iterations)
        matrix = unit_matrix(events, self.unit)
        with progress.task("BPR", self.iterations, "rounds") as task:
            try:
                model.fit(matrix, show_progress=False, callback=after)
                return rounds.end(made)
            except (failed, np.linalg.LinAlgError) as error:
                raise DataError(
                    f"BPR diverged at learning_rate {self.learning_rate} and regularization "
                    f"{self.regularization}: set them lower"
                ) from error

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> FactorModel:
        return FactorModel.restore(items, arrays, self, machine)

    def place(self, model: FactorModel, weights: sp.csr_matrix) -> Vectors:
        """Least squares of a history, and a 1 for the bias (0 where there is no history).

        log sigmoid(z) = z / 2 - z^2 / 8 for z = x (y_i - y_j), expected over events i, weighted to
        sum up to 1, and all m items j, whose y have mean 0: x maximises sum w x y_i / 2 -
        (sum w (x y_i)^2 + sum (x y_j)^2 / m) / 8 - regularization |x|^2 / 2. Biases are left out
        of z: with them, users of MovieLens-100K are placed no better.
        """
        n_known = np.count_nonzero(model.items.known)
        total = np.asarray(abs(weights).sum(axis=1)).ravel()
        share = n_known * weights.data / np.repeat(total, np.diff(weights.indptr))
        ridge = 4 * n_known * self.regularization
        users = fold_in(
            model.neighbours.vectors, model.spread, weights, 2 * share, share, ridge, model.machine
        )
        return np.column_stack([self.strength * users, total > 0]).astype(np.float32)
