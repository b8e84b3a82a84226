"""The roles: what learns to place texts, and what places them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.text.pairs import TextPairs
from recembed.text.texts import Texts


class Encoder(Protocol):
    """Places texts so that those of like meaning have a high cosine.

    sentence-transformers' models are of this shape.
    """

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim]; zeros for a text in which it knows nothing, as in an empty one."""

    def arrays(self) -> Arrays:
        """Everything that is needed to restore it beside the setting, by name."""


Judge: TypeAlias = Callable[[Encoder], float]  # what an encoder is worth; higher is better


class TextEstimator(Protocol):
    """A frozen dataclass of hyperparameters.

    resumes: whether `machine.checkpoint` is of use where it learns from texts.
    """

    name: ClassVar[str]

    @property
    def resumes(self) -> bool: ...

    def ready(self, pairs: TextPairs | None = None) -> None:
        """Before any text is read.

        Raises: DataError for pairs that it does not learn from; MissingExtra for a package that it
        needs.
        """

    def fit(
        self,
        texts: Texts,
        *,
        pairs: TextPairs | None = None,
        judge: Judge | None = None,
        start: Encoder | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> Encoder:
        """Learn from texts, then from pairs where there are any.

        judge: asked now and then while it learns from pairs; the best it saw is returned. start:
        an encoder of the same setting to go on from, instead of learning from texts.

        Raises: DataError if there is too little text, and what `ready` raises.
        """

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], machine: Machine = THIS_MACHINE
    ) -> Encoder:
        """The encoder whose `arrays()` these are. Raises: DataError if they do not fit together."""
