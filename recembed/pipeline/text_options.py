"""What the training of an encoder is told: read and checked before the work."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recembed.errors import DataError
from recembed.protocols import Machine
from recembed.run.folder import Run
from recembed.settings import change
from recembed.text.encoder import Encoder, TextEstimator
from recembed.text.evaluation import judged
from recembed.text.pair_files import read_pairs, without_empty
from recembed.text.pairs import TextPairs
from recembed.text.registry import text_estimator
from recembed.text.stored import check_encoder
from recembed.text.tables import TextColumns
from recembed.text.texts import Files
from recembed.training.checkpoint import check_place

MODEL, READY = "bag", "sbert"  # the usual one, and the one that has learned already


@dataclass(frozen=True, eq=False)
class Valid:
    """Pairs that an encoder is judged by."""

    path: Path
    pairs: TextPairs
    machine: Machine

    @classmethod
    def read(cls, path: str | Path, columns: TextColumns, machine: Machine) -> "Valid":
        """Raises: DataError for a file without pairs, or with scores that judge nothing."""
        pairs = read_pairs(Path(path), columns)
        if pairs.scores is not None and len(np.unique(pairs.scores)) < 2:
            raise DataError(
                f"{path} judges nothing: pairs with at least two different scores are needed"
            )
        return cls(Path(path), pairs, machine)

    @property
    def metric(self) -> str:
        """What `__call__` gives."""
        return "mrr@10" if self.pairs.scores is None else "spearman"

    def __call__(self, encoder: Encoder) -> float:
        """The metric; higher is better."""
        return judged(encoder, self.pairs, self.machine)


def estimator_of(model: str | None, before: Run | None, values: Mapping[str, Any]) -> TextEstimator:
    """The one that is named, or that of the run that is gone on from, with its setting."""
    if before is None:
        return text_estimator(model or MODEL, values)
    check_encoder(before)
    if model not in (None, before.facts["model"]):
        raise DataError(
            f"{before.folder} is an encoder of {before.facts['model']}, which does not become "
            f"{model}: leave model out"
        )
    return change(text_estimator(before.facts["model"], before.facts["setting"]), values)


def check_use(
    estimator: TextEstimator,
    texts: Files,
    before: Run | None,
    checkpoint: Path | None,
    pairs: str | Path | None,
    valid: str | Path | None,
) -> None:
    """Before anything is read. Raises: DataError for what would be named for nothing."""
    if estimator.name == READY and (named_any(texts) or pairs is not None or valid is not None):
        raise DataError(f"{READY} is as it is: leave texts, pairs and valid out")
    if before is not None and named_any(texts):
        raise DataError("an encoder goes on with pairs alone: leave the texts out")
    if checkpoint is not None:
        if before is not None or not estimator.resumes:
            what = estimator.name if before is None else "going on from an encoder"
            raise DataError(f"{what} keeps no checkpoint: leave it out")
        check_place(checkpoint)
    if pairs is not None and valid is not None and Path(pairs).resolve() == Path(valid).resolve():
        raise DataError(f"{valid} would judge by what it learns from: name other pairs for valid")


def learnable(path: Path, columns: TextColumns) -> tuple[TextPairs, int]:
    """The pairs of a file that have two texts, and how many have not."""
    return without_empty(read_pairs(path, columns), path.name)


def named_any(texts: Files) -> bool:
    """Whether there is a file among them."""
    return isinstance(texts, (str, Path)) or len(texts) > 0
