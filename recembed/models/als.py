"""Matrix factorization by alternating least squares, through implicit; users are folded in."""

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
class ALS:
    """Weighted matrix factorization.

    A user is the least-squares answer to their history, computed the same way for known and new
    users. Source: Hu, Koren, Volinsky 2008; item factors by implicit.
    """

    name: ClassVar[str] = "als"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "factorize users or groups against items",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(128, "number of factors", low=1, high=4096, search=one_of(32, 64, 128, 256))
    regularization: float = setting(
        1.0, "added to the diagonal of each solve", low=0, search=log_between(0.01, 100.0)
    )
    alpha: float = setting(
        10.0,
        "confidence in an event, as a multiple of its weight",
        low=0,
        search=log_between(0.1, 100.0),
    )
    iterations: int = setting(15, "rounds of both sides", low=1, search=between(5, 25))
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
        """Factorize. Raises: MissingExtra without implicit; DataError if that has no answer."""
        from threadpoolctl import threadpool_limits

        from recembed.models.implicit_door import implicit_module

        als = implicit_module("implicit.cpu.als")
        failed = implicit_module("implicit.recommender_base").ModelFitError
        with (
            threadpool_limits(1, "blas"),  # its own threads call BLAS: more would fight each other
            progress.task("ALS", self.iterations, "rounds") as task,
        ):
            model = als.AlternatingLeastSquares(
                factors=self.dim,
                regularization=self.regularization,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=machine.threads,
                random_state=seed,
            )

            def made() -> FactorModel:
                known = log.interactions.counts() > 0
                factors = on_axes(np.where(known[:, None], model.item_factors, 0))
                items = Embeddings(log.interactions.items, factors, known)
                return FactorModel(items, self, machine)

            def after(iteration: int, *_: Any) -> None:
                task.advance(1)
                rounds.after(iteration + 1, made)

            rounds = Rounds[FactorModel](validate, self.iterations)
            matrix = unit_matrix(log.interactions, self.unit)
            try:
                model.fit(matrix, show_progress=False, callback=after)
                return rounds.end(made)
            except (failed, np.linalg.LinAlgError) as error:
                raise _unsolvable(self) from error

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> FactorModel:
        return FactorModel.restore(items, arrays, self, machine)

    def place(self, model: FactorModel, weights: sp.csr_matrix) -> Vectors:
        """(Y'Y + sum (c - 1) y y' + reg I) x = sum c y with c = alpha * weight, as implicit."""
        confidence = np.float32(self.alpha) * weights.data
        return fold_in(
            model.items.vectors,
            model.spread,
            weights,
            confidence,
            confidence - 1,
            self.regularization,
            model.machine,
        )


def _unsolvable(setting: ALS) -> DataError:
    return DataError(
        f"the least squares have no answer at regularization {setting.regularization} and alpha "
        f"{setting.alpha}: set regularization higher, or alpha lower"
    )
