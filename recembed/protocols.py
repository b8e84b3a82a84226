"""The roles: what trains, what answers, what searches."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import scipy.sparse as sp
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.progress import QUIET, Progress

Arrays = dict[str, NDArray[Any]]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Machine:
    """What training may use.

    threads: worker threads; memory: bytes of scratch space; checkpoint: a file that keeps the
    state of a training that can go on from one (`Estimator.resumes`).
    """

    threads: int = field(default_factory=_cores)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    memory: int = 1 << 30
    checkpoint: Path | None = None


THIS_MACHINE = Machine()


@dataclass(frozen=True, eq=False)
class TopK:
    """The best k rows of each query: higher is better, equal scores by smaller row.

    rows int32 [n, k], -1 past the end. scores float32 [n, k], -inf past the end. tied int32 [n]:
    eligible items whose score equals the last one listed (that one too); -1 where unknown.
    """

    rows: Rows
    scores: Vectors
    tied: Rows

    @property
    def k(self) -> int:
        """Length of each list."""
        return int(self.rows.shape[1])


@runtime_checkable
class Ranker(Protocol):
    """Answers top-k for histories over its item vocabulary."""

    @property
    def known(self) -> Mask:
        """Items it can recommend, [n_items]."""

    def top_k(
        self,
        histories: Interactions,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """Exactly min(k, eligible) items a history; eligible: known, allowed, not excluded."""


@runtime_checkable
class VectorModel(Protocol):
    """A model whose score is a dot product of a user's vector and an item's."""

    @property
    def items(self) -> Embeddings:
        """Candidates to retrieve."""

    @property
    def neighbours(self) -> Embeddings:
        """Vectors for item-to-item similarity (cosine)."""

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]; known and new users alike; zeros where nothing is known."""


@runtime_checkable
class Habitual(Protocol):
    """A vector model that adds something to the scores of the items of the own history."""

    def raises(self, histories: Interactions) -> sp.csr_matrix | None:
        """What it adds, at least 0, float32 [n_users, n_items]; None: nothing."""


class Fitted(Protocol):
    """What an estimator makes and a run stores: a Ranker or a VectorModel."""

    def arrays(self) -> Arrays:
        """Everything that is needed to restore it, by name."""


class FittedVectors(VectorModel, Fitted, Protocol):
    """Both."""


Validate: TypeAlias = Callable[[Fitted], float]  # higher is better; may raise to end the training


class Estimator(Protocol):
    """A frozen dataclass of hyperparameters. resumes: whether `machine.checkpoint` is of use."""

    name: ClassVar[str]
    resumes: ClassVar[bool]

    def fit(
        self,
        log: Log,
        *,
        validate: Validate | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> Fitted:
        """Train on the whole log.

        validate: what a model is worth. One that trains in rounds is asked some ten or twenty
        times and at its end, and the best that was asked is returned; an error that it raises comes
        through. Models without rounds never call it.
        """

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> Fitted:
        """The model whose `arrays()` these are."""


class Index(Protocol):
    """Finds the items with the highest dot product."""

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """Exactly min(k, eligible) items a query; k above the catalogue is clipped."""
