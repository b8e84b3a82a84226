"""The most popular items, for everybody the same: the baseline every model has to beat."""

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
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine, TopK, Validate
from recembed.search.select import rank
from recembed.settings import check, one_of, setting

DAY = 86_400


@dataclass(frozen=True)
class Popularity:
    """Items by how many events they had."""

    name: ClassVar[str] = "popularity"
    resumes: ClassVar[bool] = False
    days: float | None = setting(
        None,
        "count only the last N days of the log; None: all",
        low=0,
        search=one_of(None, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 365.0, needs="time"),
    )

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
    ) -> "PopularityModel":
        """Count. Raises: DataError if `days` is set and the log has no times."""
        events = log.interactions
        counts = events.counts().astype(np.float32)
        if self.days is None:
            return PopularityModel(counts, counts > 0, machine)
        if events.time is None:
            raise DataError("popularity of the last days needs times: leave days out")
        recent = events.time >= events.time.max() - self.days * DAY
        now = events.keep(recent).counts().astype(np.float32)
        return PopularityModel(now, counts > 0, machine)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> "PopularityModel":
        return PopularityModel(arrays["counts"], arrays["known"], machine)


@dataclass(frozen=True, eq=False)
class PopularityModel:
    """counts float32 [n_items], known bool [n_items]: what was seen in training."""

    counts: Vectors
    known: Mask
    machine: Machine = THIS_MACHINE

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        def scores(block: slice) -> Vectors:
            return np.tile(self.counts, (block.stop - block.start, 1))

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
        return {"counts": self.counts, "known": self.known}
