"""Two towers trained by contrast: a user from their history, an item from its id and content."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask
from recembed.data.embeddings import Embeddings
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, MissingExtra
from recembed.models.people import People, about_users
from recembed.models.tower_math import NumpyTower
from recembed.models.tower_model import TowerModel
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine, Validate
from recembed.settings import between, check, log_between, one_of, setting
from recembed.training.habits import Habits
from recembed.training.rounds import Rounds, Training
from recembed.training.towers.settings import (
    BCE,
    GBCE,
    Features,
    FullSoftmax,
    Loss,
    Mean,
    Setting,
    Tower,
    Transformer,
    Users,
)

if TYPE_CHECKING:
    from recembed.training.towers.model import Trained


LOOKS = 20  # at a watched training: its epochs are long, a look is not


@dataclass(frozen=True)
class TwoTower:
    """A user tower that reads a history and an item tower, trained to find what came next.

    The item table is tied: histories are read through the vectors that are retrieved. Trained
    towers are exported as arrays, so that serving needs no torch.
    """

    name: ClassVar[str] = "two-tower"
    resumes: ClassVar[bool] = True
    unit: Literal["user", "group"] = setting(
        "user",
        "predict the next event, or a group's rest",
        search=one_of("user", "group", needs="group"),
    )
    dim: int = setting(64, "length of a vector", low=1, high=4096, search=one_of(32, 64, 128, 256))
    tower: Tower = setting(Transformer(), "what makes a user of a history")
    loss: Loss = setting(FullSoftmax(), "what an item is compared with")
    features: Features = setting(Features(), "what is known of items")
    users: Users = setting(Users(), "what is known of users")
    habits: Habits = setting(Habits(), "items of the own history come again (with bias=true)")
    score: Literal["dot", "cosine"] = setting("dot", "of a user and an item, here as in serving")
    temperature: float = setting(
        0.07,
        "what a cosine is divided by in the loss; with score=cosine only",
        low=1e-3,
        high=100,
        search=log_between(0.03, 0.3),
    )
    bias: bool = setting(False, "a number of its own for each item, added to its scores")
    reach: int = setting(
        50,
        "newest events of a history that are read; once trained, the mean tower reads all",
        low=1,
        high=1 << 16,
        search=one_of(20, 50, 100, 200),
    )
    older: bool = setting(
        False,
        "learn from events further back than reach, too, in parts that each epoch takes elsewhere",
    )
    given: float = setting(
        0.0,
        "of a group, or of a user without order, this share or more (rounded down) is read",
        low=0,
        high=0.95,
    )
    dropout: float = setting(
        0.0, "share of events left out of histories", low=0, high=0.95, search=between(0.0, 0.6)
    )
    epochs: int = setting(30, "passes over the examples", low=1, search=between(5, 60))
    batch_size: int = setting(
        256,
        "histories a step; a few hundred users want 32",
        low=1,
        search=one_of(128, 256, 512, 1024),
    )
    learning_rate: float = setting(
        0.002, "Adam's step size", low=0, search=log_between(0.0005, 0.02)
    )
    schedule: Literal["constant", "linear"] = setting(
        "constant", "the step size stays, or falls linearly to 0"
    )
    average: float = setting(
        0.999, "what a moving average of weights keeps in a step; 0: none", low=0, high=0.99999
    )
    patience: int | None = setting(
        None, "looks (of 20) without a better value that end a watched training; None: never", low=1
    )
    updates: Literal["auto", "all", "touched"] = setting(
        "auto", "a step changes all items, or those it needs (sampled losses); auto: by their count"
    )
    min_count: int = setting(
        1, "items with fewer events are not trained", low=1, search=one_of(1, 2, 5, 10, 20)
    )

    def __post_init__(self) -> None:
        check(self)
        heads = 1 if isinstance(self.tower, Mean) else self.tower.heads
        if self.dim % heads:
            raise DataError(f"dim {self.dim} cannot be shared by {heads} heads: choose a multiple")
        if self.bias and self.score == "cosine":
            raise DataError("a cosine has no bias: set bias=false, or score=dot")
        self._check_habits()
        if self.given and Setting.of(self).every:
            raise DataError(
                "given is of what is read as a whole: set tower.predict=last or unit=group, or "
                "given=0"
            )
        if self.older and not Setting.of(self).every:
            raise DataError(
                "older is for a transformer that learns at every event of users: set older=false"
            )

    def _check_habits(self) -> None:
        """Raises: DataError where they could not be learned with."""
        if not self.habits:
            return
        if not self.bias:
            raise DataError(
                "habits are weighed against each item's bias: set bias=true (and score=dot), or "
                "habits.weight=0"
            )
        if isinstance(self.loss, BCE | GBCE):
            raise DataError(
                "habits raise scores in a softmax: set loss=full or loss=sampled, or "
                "habits.weight=0"
            )
        if Setting.of(self).every:
            raise DataError(
                "habits are those of a whole history: set tower.predict=last or unit=group, or "
                "habits.weight=0"
            )

    def fit(
        self,
        log: Log,
        *,
        validate: Validate | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> TowerModel:
        """Train.

        Raises: MissingExtra without torch; DataError if there is nothing to learn, or if the
        checkpoint belongs to another training; Diverged or Interrupted with the model so far.
        """
        try:
            from recembed.training.towers.loop import train
            from recembed.training.towers.model import Data
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise MissingExtra("two-tower", "torch") from error
        from recembed.models.content import content_of
        from recembed.models.word_starts import word_starts
        from recembed.training.examples import Examples

        events = log.interactions
        self._check_events(events)
        known = events.counts() >= self.min_count
        if not known.any():
            raise DataError(f"no item has {self.min_count} events: set min_count lower")
        content = content_of(log, self.features, known)
        setting = Setting.of(self)
        kept = events.keep(known[events.rows])
        starts = None
        if self.features.pretrain:
            starts = word_starts(log, self, known, seed=seed, machine=machine, progress=progress)
        examples = Examples.of(
            kept, self.unit, self.reach, every=setting.every, older=self.older, given=self.given
        )
        if len(examples) == 0:
            raise DataError(
                "no event has a past, so there is nothing to learn from: bring more events"
            )

        def made(trained: "Trained", training: Training | None = None) -> TowerModel:
            return replace(self._model(log, trained, known), training=training)

        asked = None if validate is None else lambda trained: validate(made(trained))
        trained, training = train(
            examples,
            Data(known, events.counts(), content, about_users(log, self.users), starts),
            setting,
            seed=seed,
            machine=machine,
            progress=progress,
            rounds=Rounds(asked, self.epochs, most=LOOKS, patience=self.patience),
        )
        return training.checked(made(trained, training))

    def _check_events(self, events: Interactions) -> None:
        """Raises: DataError if they lack what the setting needs."""
        if isinstance(self.tower, Transformer) and self.tower.gaps and events.time is None:
            raise DataError(
                "tower.gaps needs times, this log has none: name their column "
                "(--columns time=COLUMN), or set tower.gaps=false"
            )
        if self.habits and self.unit == "user" and events.order is None:
            raise DataError(
                "without an order nothing comes again: set habits.weight=0, or name a column of "
                "times or groups (--columns)"
            )

    def _model(self, log: Log, trained: "Trained", known: Mask) -> TowerModel:
        """known: the items that were trained on."""
        events, content = log.interactions, {}
        if trained.sparse is not None and trained.dense is not None:
            content = {"sparse": trained.sparse, "dense": trained.dense}
            content["trained"] = known.astype(np.uint8)
        return TowerModel(
            Embeddings(events.items, trained.table, trained.known),
            trained.bias,
            NumpyTower(self.tower, trained.tower),
            None if trained.users is None else People.of(events.users, trained.users),
            self._reach,
            self.score,
            content=content,
            habits=self.habits,
            shares=trained.shares,
        )

    @property
    def _reach(self) -> int | None:
        """Of a trained tower: a mean has no positions that training would have to know."""
        return None if isinstance(self.tower, Mean) else self.reach

    def restore(
        self,
        items: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> TowerModel:
        return TowerModel.restore(items, arrays, self.tower, self._reach, self.score, self.habits)
