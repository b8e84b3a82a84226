"""What users choose of a LightGCN model: its loss; and all that its training needs."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from recembed.settings import check, log_between, one_of, setting


@dataclass(frozen=True)
class Softmax:
    """Cross-entropy of an item and negatives that all pairs of a batch share, drawn evenly.

    None is drawn twice, so that in a small catalogue it is the whole softmax; a negative that is
    the pair's own item is left out.
    Source: Wu et al. 2022 (arXiv 2201.02327).
    """

    negatives: int = setting(
        2048,
        "drawn a batch, at most all items",
        low=1,
        high=1 << 20,
        search=one_of(512, 1024, 2048, 4096),
    )
    score: Literal["cosine", "dot"] = setting("cosine", "of a user and an item, here as in serving")
    temperature: float = setting(
        0.1, "what a score is divided by", low=1e-3, high=100, search=log_between(0.05, 0.3)
    )
    kind: Literal["softmax"] = setting("softmax", "softmax over drawn items")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class BPR:
    """Each pair's item before one that is drawn evenly, by dot product.

    One that the user has taken, too, teaches nothing. Source: Rendle et al. 2009.
    """

    kind: Literal["bpr"] = setting("bpr", "pairwise, one negative a pair (as published)")

    def __post_init__(self) -> None:
        check(self)

    @property
    def score(self) -> Literal["cosine", "dot"]:
        """Of a user and an item."""
        return "dot"


Loss: TypeAlias = Softmax | BPR


@dataclass(frozen=True)
class Setting:
    """All that training needs; the meaning of each field stands where users set it (LightGCN)."""

    dim: int
    layers: int
    loss: Loss
    ids: bool
    epochs: int
    batch_size: int
    learning_rate: float
    regularization: float

    @classmethod
    def of(cls, estimator: Any) -> "Setting":
        """The fields that an estimator (a dataclass) has by the same name."""
        return cls(**{each.name: getattr(estimator, each.name) for each in fields(cls)})

    @property
    def guess(self) -> float:
        """The loss of scores that are all 0."""
        return math.log(2 if isinstance(self.loss, BPR) else self.loss.negatives + 1)
