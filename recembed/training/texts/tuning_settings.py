"""What users choose of the tuning of an encoder by pairs of texts."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from recembed.arrays import Vectors
from recembed.errors import DataError
from recembed.settings import check, log_between, one_of, setting


@dataclass(frozen=True)
class Auto:
    """CoSENT for pairs with scores, Softmax for all others, each with its defaults."""

    kind: Literal["auto"] = setting("auto", "cosent for pairs with scores, softmax for others")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Softmax:
    """Cross-entropy of a text's partner among the texts of the batch, both ways.

    Negatives, given or mined, join in the way from the first to the second text. What is known to
    belong together is nobody's negative. Source: van den Oord et al. 2018 (arXiv 1807.03748);
    without pairs, SimCSE, Gao et al. 2021 (arXiv 2104.08821).
    """

    temperature: float = setting(
        0.05,
        "what a cosine is divided by",
        low=1e-3,
        high=100,
        search=log_between(0.02, 0.2),
    )
    kind: Literal["softmax"] = setting("softmax", "a text's partner among the others of the batch")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Triplet:
    """A text is nearer to its partner than to its negative, by a margin of their cosines.

    Source: FaceNet, Schroff et al. 2015 (arXiv 1503.03832).
    """

    margin: float = setting(0.3, "of the cosines", low=0, high=2, search=one_of(0.1, 0.2, 0.3, 0.5))
    kind: Literal["triplet"] = setting("triplet", "a partner is nearer than a negative")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class CoSENT:
    """Of two pairs the one with the higher score has the higher cosine: no score is hit exactly.

    Source: Su 2022, https://kexue.fm/archives/8847.
    """

    scale: float = setting(
        10.0, "of a difference of cosines", low=1e-3, high=1e3, search=log_between(5.0, 50.0)
    )
    kind: Literal["cosent"] = setting("cosent", "cosines in the order of the scores")

    def __post_init__(self) -> None:
        check(self)


Loss: TypeAlias = Auto | Softmax | Triplet | CoSENT


@dataclass(frozen=True)
class Mining:
    """Hard negatives that the encoder finds itself: the nearest text that is no partner.

    One almost as near as the partner is likely a partner that nobody named, and is passed over.
    Source: NV-Retriever, Moreira et al. 2024 (arXiv 2407.15831).
    """

    every: int = setting(0, "epochs from search to search, from the first on; 0: never", low=0)
    nearest: float = setting(
        0.95, "highest cosine of a negative, as a share of the partner's", low=0, high=1
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Tuning:
    """How an encoder learns from pairs of texts."""

    loss: Loss = setting(Auto(), "what pairs are learned by")
    mining: Mining = setting(Mining(), "hard negatives")
    shortest: int | None = setting(
        None,
        "the first half of a vector is to be one by itself, and its first half, down to this "
        "length (Matryoshka, arXiv 2205.13147); None: only the whole",
        low=1,
    )
    epochs: int = setting(10, "passes over the pairs", low=1)
    batch_size: int = setting(
        64, "pairs a step; those of a batch are each other's negatives", low=1
    )
    learning_rate: float = setting(
        5e-4,
        "AdamW's step size, falls linearly to 0; network=mean wants ten times as much",
        low=0,
        search=log_between(5e-5, 1e-2),
    )
    warmup: float = setting(0.1, "share of the steps in which it rises first", low=0, high=1)
    weight_decay: float = setting(0.01, "of matrices, a step: times the step size", low=0, high=1)
    average: float = setting(
        0.0, "what a moving average of weights keeps in a step; 0: none", low=0, high=0.99999
    )

    def __post_init__(self) -> None:
        check(self)


def decided(setting: Tuning, scores: Vectors | None, *, negatives: bool = False) -> Tuning:
    """With the loss that is meant for pairs with these scores, or with negatives.

    Raises: DataError if they are not what it learns from.
    """
    loss, mines = setting.loss, setting.mining.every > 0
    if isinstance(loss, Auto):
        loss = Softmax() if scores is None else CoSENT()
    if scores is not None:
        _check_scores(loss, scores, negatives=negatives or mines)
    elif isinstance(loss, CoSENT):
        raise DataError("tune.loss=cosent needs pairs with scores: set tune.loss=softmax")
    if isinstance(loss, Triplet) and not negatives and not mines:
        raise DataError(
            "tune.loss=triplet needs a negative for each pair: name them, have them found "
            "(tune.mining.every=1), or set tune.loss=softmax"
        )
    return replace(setting, loss=loss)


def _check_scores(loss: Loss, scores: Vectors, *, negatives: bool) -> None:
    if not isinstance(loss, CoSENT):
        raise DataError(
            f"tune.loss={loss.kind} takes pairs that belong together, not scores: set "
            "tune.loss=cosent, or leave the scores out"
        )
    if len(np.unique(scores)) < 2:
        raise DataError("the scores of the pairs are all alike: leave their column out")
    if negatives:
        raise DataError("tune.loss=cosent takes no negatives: leave them, or the scores, out")
