"""What users choose of a two-tower model: its user tower, its loss, its items' content."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from recembed.errors import DataError
from recembed.settings import between, check, one_of, setting
from recembed.training.habits import Habits
from recembed.training.recency import Recency

MANY = 100_000  # items: a step over those it touches takes 56 ms here, over all 59, of 200,000 92
SIZE = 0.02  # of numbers at the start, so that steps of 0.001 soon matter


@dataclass(frozen=True)
class Mean:
    """A linear map of the weighted mean of the items of a history."""

    recency: Recency = setting(Recency(decay=0.8), "how a history is weighed")
    kind: Literal["mean"] = setting("mean", "the weighted mean of a history")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Attention:
    """The mean of a history, weighed by what training finds in its items and in their age.

    Source: self-attentive pooling, Lin et al. 2017 (arXiv 1703.03130).
    """

    heads: int = setting(
        4, "weighings side by side; divides dim", low=1, high=256, search=one_of(1, 2, 4)
    )
    kind: Literal["attention"] = setting("attention", "learned weights of what a history holds")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Transformer:
    """Causal self-attention over a history; what it says at the newest item is the user.

    Positions are learned and counted from the newest event. Source: SASRec, Kang, McAuley 2018
    (arXiv 1808.09781), with the norms before each part.
    """

    blocks: int = setting(2, "layers", low=1, high=64, search=one_of(1, 2, 3))
    heads: int = setting(
        2, "attentions side by side; divides dim", low=1, high=256, search=one_of(1, 2, 4)
    )
    width: int = setting(
        4, "of the feed-forward part, times dim", low=1, high=64, search=one_of(1, 2, 4)
    )
    dropout: float = setting(
        0.3, "share of numbers left out in each block", low=0, high=0.95, search=between(0.1, 0.6)
    )
    predict: Literal["auto", "last"] = setting(
        "auto",
        "auto: learn at every event of a user in one pass, from prefixes of groups; last: from "
        "each prefix by itself",
    )
    gaps: bool = setting(False, "learn from the time that passed before each event, too")
    kind: Literal["transformer"] = setting("transformer", "causal self-attention")

    def __post_init__(self) -> None:
        check(self)


Tower: TypeAlias = Mean | Attention | Transformer


@dataclass(frozen=True)
class FullSoftmax:
    """Cross-entropy of the next item over the whole catalogue: exact, the best up to ~100k items.

    Computed in pieces, so that positions x items never stands in memory.
    """

    kind: Literal["full"] = setting("full", "softmax over all items")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class SampledSoftmax:
    """Cross-entropy over an item and negatives shared by all positions of a batch.

    Negatives come from a mixture of three sources: all items alike, items by their events to the
    power of `exponent`, and the items of the batch itself. Each stands for what it was drawn from:
    its logit is lowered by the log of its expected count; the positive's is not. The gradient is
    that of an example weighted by 1 - p of its positive, p as the sample says. A negative that is
    the positive is left out.
    Source: arXiv 2507.09331 (the positive is not corrected); mixed sources: Yang et al. 2020
    (doi 10.1145/3366424.3386195).
    """

    negatives: int = setting(
        1024, "drawn a batch", low=1, high=1 << 20, search=one_of(128, 256, 512, 1024)
    )
    popular: float = setting(
        0.5, "share drawn by their events", low=0, high=1, search=between(0.0, 0.8)
    )
    batch: float = setting(
        0.0, "share drawn from the batch's own targets", low=0, high=1, search=between(0.0, 0.2)
    )
    exponent: float = setting(1.0, "popular ones ~ events ** exponent", low=0, high=2)
    correct: bool = setting(True, "the log-q correction; without, frequent negatives are held down")
    hardest: int | None = setting(
        None, "of the negatives, only those that score highest at each position; None: all", low=1
    )
    kind: Literal["sampled"] = setting("sampled", "softmax over drawn items")

    def __post_init__(self) -> None:
        check(self)
        if self.popular + self.batch > 1:
            raise DataError(f"popular {self.popular} and batch {self.batch} are more than 1")


@dataclass(frozen=True)
class GBCE:
    """Binary cross-entropy of an item and its negatives, calibrated against overconfidence.

    Source: gSASRec, Petrov, Macdonald 2023 (arXiv 2308.07192).
    """

    negatives: int = setting(
        256,
        "uniform ones, shared by 64 positions",
        low=1,
        high=1 << 20,
        search=one_of(128, 256, 512),
    )
    calibration: float = setting(
        0.75, "0: plain BCE; 1: scores are probabilities", low=0, high=1, search=between(0.0, 1.0)
    )
    kind: Literal["gbce"] = setting("gbce", "calibrated binary cross-entropy")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class InBatch:
    """Softmax over the batch's own targets. For comparison only.

    An item is a negative as often as it is a positive, and one that hardly anybody took is none at
    all: nothing keeps it from scoring high, and without the log-q correction popular items are
    held down. Source: arXiv 2508.06450.
    """

    correct: bool = setting(True, "the log-q correction by each item's share of events")
    kind: Literal["in-batch"] = setting("in-batch", "softmax over the batch's targets (to compare)")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy with one uniform negative a position. For comparison only.

    One easy negative soon teaches nothing, and scores grow without meaning: it is what SASRec was
    published with and why tuned matrix factorization beat it (gSASRec, arXiv 2308.07192).
    """

    kind: Literal["bce"] = setting("bce", "one negative a position (to compare)")

    def __post_init__(self) -> None:
        check(self)


Loss: TypeAlias = FullSoftmax | SampledSoftmax | GBCE | InBatch | BCE


@dataclass(frozen=True)
class Features:
    """Columns of the item table, each by name; an item's vector is its id's and theirs added up."""

    categories: tuple[str, ...] = setting((), "columns of categories, one or a list an item")
    text: tuple[str, ...] = setting((), "columns of text, read as words (TF-IDF)")
    numbers: tuple[str, ...] = setting((), "columns of numbers, standardised")
    vectors: tuple[str, ...] = setting((), "columns of vectors of one length (text, image), scaled")
    id_dropout: float = setting(
        0.1,
        "chance that an item with content is read and scored without its id",
        low=0,
        high=0.95,
        search=between(0.0, 0.5),
    )
    pretrain: int = setting(
        0,
        "passes of skip-gram over the texts, whose word vectors are where the words of text start; "
        "0: from chance",
        low=0,
    )
    uncovered: Literal["refuse", "id-only"] = setting(
        "refuse", "items of the log that the item table lacks: an error, or their id alone"
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.categories, *self.text, *self.numbers, *self.vectors)

    def __bool__(self) -> bool:
        return bool(self.names)


@dataclass(frozen=True)
class Users:
    """What places a user beside the history. New users have neither."""

    ids: bool = setting(False, "a vector of their own for users that were trained on")
    categories: tuple[str, ...] = setting((), "columns of the user table")
    dropout: float = setting(
        0.5, "chance that a user is placed by the history alone", low=0, high=0.95
    )

    def __post_init__(self) -> None:
        check(self)

    def __bool__(self) -> bool:
        return self.ids or bool(self.categories)


@dataclass(frozen=True)
class Setting:
    """All that training needs; the meaning of each field stands where users set it (TwoTower)."""

    unit: Literal["user", "group"]
    dim: int
    tower: Tower
    loss: Loss
    features: Features
    users: Users
    habits: Habits
    score: Literal["dot", "cosine"]
    temperature: float
    bias: bool
    reach: int
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "linear"]
    average: float
    updates: Literal["auto", "all", "touched"]

    @classmethod
    def of(cls, estimator: Any) -> "Setting":
        """The fields that an estimator (a dataclass) has by the same name."""
        return cls(**{each.name: getattr(estimator, each.name) for each in fields(cls)})

    @property
    def every(self) -> bool:
        """Whether each event of a history is learned from in one pass."""
        if not isinstance(self.tower, Transformer) or self.unit == "group":
            return False
        return self.tower.predict == "auto"

    @property
    def size(self) -> float:
        """Of the numbers of items at the start. Lengths near 1 where nothing else scales them."""
        scaled = isinstance(self.tower, Transformer) or self.score == "cosine"
        return SIZE if scaled else self.dim**-0.5

    def touches(self, n_items: int) -> bool:
        """Whether a step looks at, and changes, only the items that it needs."""
        if isinstance(self.loss, FullSoftmax) or self.updates == "all":
            return False
        return self.updates == "touched" or n_items >= MANY

    def guess(self, n_items: int) -> float:
        """The loss of scores that are all 0."""
        if isinstance(self.loss, BCE):
            return 2 * math.log(2)
        if isinstance(self.loss, GBCE):
            return (self.loss.negatives + 1) * math.log(2)
        return math.log(n_items + 1)
