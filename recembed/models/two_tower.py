"""Two towers trained by contrast: a user from their history, an item from its id and categories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, MissingExtra
from recembed.models.history import HistoryModel
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.recency import Recency
from recembed.training.rounds import Rounds


@dataclass(frozen=True)
class TwoTower:
    """Softmax over the whole catalogue, given the weighted mean of what came before.

    The item table is shared by both towers; the user tower adds a linear map. Trained towers are
    exported as two tables, so that serving needs no torch.
    """

    name: ClassVar[str] = "two-tower"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "predict the next event, or a group's rest",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(64, "length of a vector", low=1, high=4096, search=one_of(32, 64, 128, 256))
    features: tuple[str, ...] = setting((), "category columns of the item table, by name")
    epochs: int = setting(5, "passes over the examples", low=1, search=between(2, 20))
    batch_size: int = setting(512, "examples a step", low=1, search=one_of(128, 256, 512, 1024))
    learning_rate: float = setting(
        0.003,
        "Adam's first step size, falls linearly to 0",
        low=0,
        search=log_between(0.0005, 0.05),
    )
    dropout: float = setting(
        0.1, "share of items left out of the histories", low=0, high=0.95, search=between(0.0, 0.6)
    )
    reach: int = setting(
        100,
        "most events of the past an example is trained on",
        low=1,
        search=one_of(20, 50, 100, 200),
    )
    min_count: int = setting(
        1, "items with fewer events are not trained", low=1, search=one_of(1, 2, 5, 10, 20)
    )
    recency: Recency = setting(Recency(decay=0.8), "how a history is pooled, trained and served")

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
    ) -> HistoryModel:
        """Train. Raises: MissingExtra without torch; DataError if there is nothing to learn."""
        try:
            from recembed.training.loop import Items, Towers, train
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise MissingExtra("two-tower", "torch") from error
        from recembed.training.examples import Examples

        events = log.interactions
        known = events.counts() >= self.min_count
        if not known.any():
            raise DataError(f"no item has {self.min_count} events: set min_count lower")
        if self.features and log.items is None:
            raise DataError(f"features {', '.join(self.features)} need an item table (--items)")
        categories = Sequences(np.zeros(0, np.int32), np.zeros(events.n_items + 1, np.int64))
        meanings: list[str] = []
        if log.items is not None and self.features:
            categories, meanings = log.items.categories(self.features)
        examples = Examples.of(events.keep(known[events.rows]), self.unit, self.reach)
        if len(examples) == 0:
            raise DataError("no event has a past, so there is nothing to learn from")
        setting = Towers(
            dim=self.dim,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            dropout=self.dropout,
            recency=self.recency,
        )

        def made(tables: tuple[Vectors, Vectors]) -> HistoryModel:
            return HistoryModel.of(events.items, tables, known, self.recency, biased=True)

        rounds = Rounds[HistoryModel](validate, self.epochs)
        tables = train(
            examples,
            Items(known, categories, len(meanings)),
            setting,
            seed=seed,
            machine=machine,
            progress=progress,
            after=lambda epoch, tables: rounds.after(epoch, lambda: made(tables())),
        )
        return rounds.end(lambda: made(tables))

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> HistoryModel:
        return HistoryModel.restore(items, arrays, self.recency, biased=True)
