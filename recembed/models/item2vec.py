"""item2vec: items that stand near each other in histories or baskets get near vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.history import HistoryModel
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.settings import check, setting
from recembed.training.recency import Recency


@dataclass(frozen=True)
class Item2Vec:
    """Skip-gram over item sequences.

    Items are retrieved by their output vectors with the weighted mean of a history's input
    vectors: that is the pair that training scores. Neighbours are found by both, added up. An
    item hardly ever stands beside itself, so a log of habits wants `blend`.
    Source: Barkan, Koenigstein 2016 (arXiv 1603.04259).
    """

    name: ClassVar[str] = "item2vec"
    unit: Literal["user", "group"] = setting("user", "a sentence is a user's history or a group")
    dim: int = setting(128, "length of a vector", low=1, high=4096)
    window: int | None = setting(5, "context reaches N items away; None: the whole unit", low=1)
    direction: Literal["both", "past"] = setting(
        "both", "context on both sides, or what was before"
    )
    shrink: bool = setting(True, "draw each window from 1..window, so that near items count more")
    negatives: int = setting(5, "negatives a centre", low=1, high=256)
    exponent: float = setting(0.0, "negatives ~ count ** exponent; 0: uniform", low=-2, high=2)
    subsample: float = setting(0.0, "threshold share of frequent items; 0: keep all", low=0, high=1)
    epochs: int = setting(20, "passes over the log", low=1)
    learning_rate: float = setting(0.025, "first step size, falls linearly to 0", low=0)
    blend: float = setting(
        0.0, "retrieve by output + blend * input vectors; > 0 where people repeat themselves", low=0
    )
    min_count: int = setting(1, "items with fewer events are not trained", low=1)
    recency: Recency = setting(Recency(decay=0.7), "how a history is pooled")

    def __post_init__(self) -> None:
        check(self)

    def fit(
        self,
        log: Log,
        *,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> HistoryModel:
        """Train. Raises: DataError if no sentence has two items, or training diverges."""
        from recembed.training.skipgram import SkipGram, train, trained_rows

        events = log.interactions
        corpus = events.sentences(self.unit)
        known = events.counts() >= self.min_count
        if not known.any():
            raise DataError(f"no item has {self.min_count} events: set min_count lower")
        corpus = corpus.keep(known[corpus.values])
        engine = SkipGram(
            dim=self.dim,
            window=self.window,
            negatives=self.negatives,
            exponent=self.exponent,
            subsample=self.subsample,
            direction=self.direction,
            shrink=self.shrink,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
        )
        tables = train(
            corpus,
            events.n_items,
            engine,
            seed=seed,
            threads=machine.threads,
            progress=progress,
        )
        known = trained_rows(corpus, events.n_items)
        retrieved = tables.outputs + np.float32(self.blend) * tables.inputs
        return HistoryModel.of(events.items, (tables.inputs, retrieved), known, self.recency)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> HistoryModel:
        return HistoryModel.restore(items, arrays, self.recency)
