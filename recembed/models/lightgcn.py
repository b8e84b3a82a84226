"""LightGCN: user and item vectors spread over the graph of who took what."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors, unit
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.models.nested import part_of, under
from recembed.models.people import People
from recembed.models.units import trained_events, unit_matrix
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.lightgcn.settings import Loss, Setting, Softmax
from recembed.training.recency import Recency
from recembed.training.rounds import Rounds

if TYPE_CHECKING:
    from recembed.training.lightgcn.train import Trained


@dataclass(frozen=True)
class LightGCN:
    """Linear graph convolution: vectors of users and items, each the mean of its layers.

    A layer is the sum of the neighbours' last one, over the square roots of both degrees; layer 0
    is learned. All layers of a user but the 0th are sums over the items of the history: so users
    are placed from it, known and new ones alike. `ids` adds the layer 0 of those that were trained
    on, as published; without, training takes half of the time.
    Source: He et al. 2020 (arXiv 2002.02126); with a softmax: Wu et al. 2022 (arXiv 2201.02327).
    """

    name: ClassVar[str] = "lightgcn"
    resumes: ClassVar[bool] = False
    unit: Literal["user", "group"] = setting(
        "user",
        "the graph is of users or of groups, and items",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(64, "length of a vector", low=1, high=4096, search=one_of(32, 64, 128, 256))
    layers: int = setting(
        3,
        "how far vectors spread",
        low=1,
        high=64,
        search=one_of(1, 2, 3, 4),
    )
    loss: Loss = setting(Softmax(), "what an item is compared with")
    ids: bool = setting(
        False, "vectors of their own for users that were trained on", search=one_of(False, True)
    )
    epochs: int = setting(30, "passes over the pairs", low=1, search=between(10, 100))
    batch_size: int = setting(
        4096,
        "pairs a step, each of which spreads over the whole graph",
        low=1,
        search=one_of(1024, 4096, 16384),
    )
    learning_rate: float = setting(
        0.01, "Adam's step size", low=0, high=1e6, search=log_between(0.001, 0.03)
    )
    regularization: float = setting(
        1e-4, "of layer 0, for what is in a batch", low=0, search=log_between(1e-6, 1e-2)
    )
    recency: Recency = setting(Recency(), "how a history is weighted when a user is placed")

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
    ) -> "GraphModel":
        """Train. Raises: DataError if there is nothing to learn; Diverged."""
        from recembed.training.lightgcn.train import train

        events = log.interactions
        matrix = unit_matrix(events, self.unit)
        known = matrix.getnnz(axis=0) > 0

        def made(trained: "Trained") -> GraphModel:
            return self.model(events, known, trained)

        asked = None if validate is None else lambda trained: validate(made(trained))
        trained = train(
            matrix,
            Setting.of(self),
            seed=seed,
            threads=machine.threads,
            progress=progress,
            rounds=Rounds(asked, self.epochs),
        )
        return made(trained)

    def model(self, events: Interactions, known: Mask, trained: "Trained") -> "GraphModel":
        """What a training on these events comes to. known: the items that were trained."""
        inputs, outputs = (
            Embeddings(events.items, table, known) for table in (trained.inputs, trained.outputs)
        )
        served = self.ids and self.unit == "user"  # nobody comes back as the same group
        people = People.of(events.users, trained.own) if served else None
        return GraphModel(inputs, outputs, people, self.loss.score, self.recency)

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> "GraphModel":
        return GraphModel.restore(items, arrays, self.loss.score, self.recency)


@dataclass(frozen=True, eq=False)
class GraphModel:
    """Places a user at the sum of the inputs of their history / sqrt(its weight).

    A history that was trained on, weighted as it was then, comes out as in the whole graph.
    people: users with a vector of their own, which is added. score: as it was trained; for
    "cosine", all vectors that come out have length 1, so that their dot product is the same.
    """

    inputs: Embeddings
    outputs: Embeddings
    people: People | None
    score: Literal["cosine", "dot"]
    recency: Recency

    @cached_property
    def items(self) -> Embeddings:
        """The outputs; at length 1 for "cosine"."""
        if self.score == "dot":
            return self.outputs
        table = self.outputs
        return Embeddings(table.vocabulary, unit(table.vectors), table.known, "cosine")

    @property
    def neighbours(self) -> Embeddings:
        """The items."""
        return self.items

    def users(self, histories: Interactions) -> Vectors:
        """[n_users, dim]; zeros where nothing is known."""
        from recembed.training.lightgcn.graph import scales

        weights = self.recency.matrix(trained_events(histories, self.inputs.known))
        placed: Vectors = scales(weights, 1)[:, None] * (weights @ self.inputs.vectors)
        if self.people is not None:
            placed += self.people.added(histories)
        return unit(placed) if self.score == "cosine" else placed

    def arrays(self) -> Arrays:
        found: Arrays = {
            "inputs": self.inputs.vectors,
            "outputs": self.outputs.vectors,
            "known": self.inputs.known.astype(np.uint8),
        }
        return found if self.people is None else found | under("users", self.people.arrays())

    @classmethod
    def restore(
        cls,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        score: Literal["cosine", "dot"],
        recency: Recency,
    ) -> "GraphModel":
        """From `arrays()`; the vectors may be memory-mapped."""
        known = arrays["known"].astype(bool)
        inputs, outputs = (Embeddings(items, arrays[name], known) for name in ("inputs", "outputs"))
        users = part_of("users", arrays)
        people = People.restore(users) if users else None
        return cls(inputs, outputs, people, score, recency)
