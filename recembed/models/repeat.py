"""What somebody took before, newest habits first, then what is popular: hard to beat in shops."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.units import over_popular, trained_events
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine, TopK, Validate
from recembed.search.select import rank
from recembed.settings import check, setting
from recembed.training.recency import Recency

TIE = np.float32(1e-3)  # most that popularity adds: it parts the items of a basket, no habits


@dataclass(frozen=True)
class RepeatPurchase:
    """Items of the user's own history by weighted count, equal ones by popularity; others below.

    The others follow by popularity, with scores below 0.
    """

    name: ClassVar[str] = "repeat"
    resumes: ClassVar[bool] = False
    recency: Recency = setting(Recency(), "what one event of the history adds")

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
    ) -> "RepeatModel":
        """Count, for the items nobody's history has."""
        return RepeatModel(log.interactions.counts().astype(np.float32), self.recency, machine)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> "RepeatModel":
        return RepeatModel(arrays["counts"], self.recency, machine)


@dataclass(frozen=True, eq=False)
class RepeatModel:
    """counts float32 [n_items]: events of each item in training."""

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
        own = self.recency.matrix(trained_events(histories, self.known))
        share = self.counts / max(float(self.counts.max(initial=0)), 1.0)
        own.data *= 1 + TIE * share[own.indices]
        return rank(
            lambda block: over_popular(own[block], self.counts),
            histories.n_users,
            k,
            known=self.known,
            exclude=exclude,
            allow=allow,
            memory=self.machine.memory,
        )

    def arrays(self) -> Arrays:
        return {"counts": self.counts}
