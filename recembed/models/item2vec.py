"""item2vec: items that stand near each other in histories or baskets get near vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.features import Features
from recembed.models.history import HistoryModel
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.corpus import counts_of, trained_rows
from recembed.training.recency import Recency
from recembed.training.rounds import Rounds

if TYPE_CHECKING:
    from recembed.training.skipgram import SkipGram


@dataclass(frozen=True)
class Item2Vec:
    """Skip-gram or CBOW over item sequences.

    Items are retrieved by their output vectors with the weighted mean of a history's input
    vectors. Forward CBOW (the default where users' order is known) trains exactly that: it
    predicts an item from the mean of those before it, weighted as `recency` weighs them.
    Skip-gram wants a learning_rate near 0.025. Neighbours are found by both tables, added up. An
    item hardly ever stands beside itself, so a log of habits wants `blend`.
    Source: Barkan, Koenigstein 2016 (arXiv 1603.04259); CBOW: Mikolov et al. 2013 (arXiv
    1301.3781); features: Vasile et al. 2016 (arXiv 1607.07326).
    """

    name: ClassVar[str] = "item2vec"
    resumes: ClassVar[bool] = True
    unit: Literal["user", "group"] = setting(
        "user",
        "a sentence is a user's history or a group",
        search=one_of("user", "group", needs="group"),
    )
    architecture: Literal["skip-gram", "cbow"] = setting(
        "cbow",
        "an item from each one of its context, or from their weighted mean",
        search=one_of("skip-gram", "cbow"),
    )
    dim: int = setting(
        128, "length of a vector", low=1, high=4096, search=one_of(64, 128, 192, 256)
    )
    window: int | None = setting(
        15, "context reaches N items away; None: the whole unit", low=1, search=log_between(2, 30)
    )
    direction: Literal["auto", "both", "past"] = setting(
        "auto", "context on both sides, or what was before; auto: past where users' order is known"
    )
    shrink: bool = setting(
        False,
        "draw each window from 1..window, so that near items count more",
        search=one_of(False, True),
    )
    negatives: int = setting(
        128, "negatives a centre", low=1, high=4096, search=one_of(5, 16, 64, 128, 256)
    )
    sharing: Literal["centre", "pair"] = setting(
        "centre", "the pairs of a centre share its negatives (fast), or each draws its own (exact)"
    )
    loss: Literal["logistic", "softmax"] = setting(
        "softmax",
        "of each target alone, or cross-entropy over an item and its negatives",
        search=one_of("logistic", "softmax"),
    )
    dropout: float = setting(
        0.5,
        "chance that CBOW leaves an item of a context out",
        low=0,
        high=0.99,
        search=between(0.0, 0.8),
    )
    exponent: float = setting(
        0.0, "negatives ~ count ** exponent; 0: uniform", low=-2, high=2, search=between(-0.5, 1.0)
    )
    subsample: float = setting(
        0.0,
        "threshold share of frequent items; 0: keep all",
        low=0,
        high=1,
        search=one_of(0.0, 1e-3, 1e-2),
    )
    epochs: int = setting(30, "passes over the log", low=1, search=between(5, 60))
    learning_rate: float = setting(
        0.1, "first step size, falls linearly to 0", low=1e-6, search=log_between(0.01, 0.3)
    )
    features: tuple[str, ...] = setting(
        (), "category columns of the item table, averaged into input vectors; untouched items too"
    )
    blend: float = setting(
        0.0,
        "retrieve by output + blend * input vectors; > 0 where people repeat themselves",
        low=0,
        high=1e6,  # what float32 holds with room to spare
        search=one_of(0.0, 0.5, 1.0, 2.0, 4.0),
    )
    min_count: int = setting(
        1, "items with fewer events are not trained", low=1, search=one_of(1, 2, 3, 5)
    )
    recency: Recency = setting(Recency(decay=0.65), "how a history is pooled")

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
        """Train. Raises: DataError if no sentence has two items, or training diverges."""
        from recembed.training.skipgram import Tables, train

        if validate is not None and machine.checkpoint is not None:
            raise DataError("a checkpoint does not keep the best round: leave it or validate out")

        events = log.interactions
        corpus = events.sentences(self.unit)
        known = events.counts() >= self.min_count
        if not known.any():
            raise DataError(f"no item has {self.min_count} events: set min_count lower")
        corpus = corpus.keep(known[corpus.values])
        trained = trained_rows(corpus, counts_of(corpus, events.n_items))
        features = Features.of(log, self.features, trained) if self.features else None

        def made(tables: Tables) -> HistoryModel:
            inputs, outputs, known = tables.inputs.copy(), tables.outputs, trained
            learned = {}
            if features is not None:
                learned = features.learned(inputs, outputs)
                inputs, outputs, known = features.spread(inputs, outputs)
            both = inputs, self.retrieved(inputs, outputs)
            model = HistoryModel.of(events.items, both, known, self.recency)
            return replace(model, features=learned)

        rounds = Rounds[HistoryModel](validate, self.epochs)
        tables = train(
            corpus,
            events.n_items,
            self._engine(events),
            bags=None if features is None else features.bags(),
            seed=seed,
            threads=machine.threads,
            progress=progress,
            checkpoint=machine.checkpoint,
            after=lambda epoch, tables: rounds.after(epoch, lambda: made(tables)),
        )
        return rounds.end(lambda: made(tables))

    def retrieved(self, inputs: Vectors, outputs: Vectors) -> Vectors:
        """What items are found by."""
        return outputs + np.float32(self.blend) * inputs

    def _engine(self, events: Interactions) -> "SkipGram":
        from recembed.training.skipgram import SkipGram

        ordered = self.unit == "user" and events.order is not None
        auto: Literal["both", "past"] = "past" if ordered else "both"
        return SkipGram.of(
            self,
            # the items of a group are all as old: scored alike, and trained alike
            decay=1.0 if self.unit == "group" else self.recency.decay,
            direction=auto if self.direction == "auto" else self.direction,
        )

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> HistoryModel:
        return HistoryModel.restore(items, arrays, self.recency)
