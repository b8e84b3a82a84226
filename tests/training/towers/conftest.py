"""A training of 24 steps, six an epoch, that is over in no time."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import scipy.sparse as sp

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.two_tower import TwoTower
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.training.examples import Examples
from recembed.training.rounds import Rounds
from recembed.training.towers.items import Content
from recembed.training.towers.loop import train
from recembed.training.towers.model import Data
from recembed.training.towers.settings import (
    Features,
    Mean,
    SampledSoftmax,
    Setting,
    Transformer,
)

USERS, ITEMS = 24, 9
SMALL = TwoTower(
    dim=4,
    tower=Transformer(blocks=1, heads=2, width=1),
    dropout=0.2,
    epochs=4,
    batch_size=4,
    learning_rate=0.05,
    average=0.9,
)
ESTIMATORS = {
    "transformer": SMALL,
    "touched rows": replace(
        SMALL, loss=SampledSoftmax(negatives=5, popular=0.5), updates="touched", bias=True
    ),
    "content and users": replace(
        SMALL,
        tower=Mean(),
        features=Features(categories=("colour",)),
        score="cosine",
        average=0.0,
        batch_size=13,  # of its examples, which are prefixes, there are 73
    ),
}


class Stopping(Progress):
    """Keeps what it is told, and stops at one of its steps, as Ctrl-C does."""

    def __init__(self, at=None):
        super().__init__("quiet")
        self.at, self.notes, self.amounts, self.before, self.total = at, [], [], 0, 0

    @contextmanager
    def task(self, label, total, unit):
        self.total = total
        with super().task(label, total, unit) as task:
            task.advance = self.advance
            yield task
            self.before = task.before

    def advance(self, amount, note):
        self.amounts.append(amount)
        self.notes.append(note)
        if len(self.amounts) == self.at:
            raise KeyboardInterrupt


@dataclass
class World:
    """kind: of ESTIMATORS. data_seed: of the events. given: without an order. Called, it trains."""

    kind: str = "transformer"
    data_seed: int = 0
    order: str | None = "position"
    given: float = 0.0
    machine: Machine = field(default_factory=lambda: Machine(threads=1, device="cpu"))
    STEPS, AN_EPOCH = 24, 6

    def setting(self, **changes):
        return replace(Setting.of(ESTIMATORS[self.kind]), **changes)

    def events(self):
        random = np.random.default_rng(self.data_seed)
        rows = [random.integers(0, ITEMS, 2 + user % 5).tolist() for user in range(USERS)]
        users, items = Vocabulary.numbered(USERS), Vocabulary.numbered(ITEMS)
        return Interactions(users, items, Sequences.of(rows), order=self.order)

    def data(self, events):
        if self.kind != "content and users":
            return Data(events.counts() > 0, events.counts(), Content.none(ITEMS))
        colours = sp.csr_matrix(np.eye(3, dtype=np.float32)[np.arange(ITEMS) % 3])
        dense = np.linspace(-1, 1, 2 * ITEMS, dtype=np.float32).reshape(ITEMS, 2)
        users = sp.csr_matrix(np.eye(USERS, dtype=np.float32))
        return Data(events.counts() > 0, events.counts(), Content(colours, dense), users)

    def __call__(self, file=None, *, stop=None, seed=0, progress=None, rounds=None, **changes):
        events, setting = self.events(), self.setting(**changes)
        return train(
            Examples.of(events, "user", 9, every=setting.every, given=self.given),
            self.data(events),
            setting,
            seed=seed,
            machine=replace(self.machine, checkpoint=file),
            progress=progress or Stopping(stop),
            rounds=rounds,
        )


def bytes_of(trained):
    """Everything that came of a training."""
    arrays = {"table": trained.table, "known": trained.known, "bias": trained.bias}
    arrays |= {"users": trained.users, **trained.tower}
    return {name: None if each is None else each.tobytes() for name, each in arrays.items()}


@pytest.fixture
def world():
    return World()


@pytest.fixture(params=ESTIMATORS)
def every_world(request):
    return World(request.param)


@pytest.fixture
def of():
    """Trained -> its bytes by name."""
    return bytes_of


@pytest.fixture
def stopping():
    """Progress that stops at a step, and keeps what it is told."""
    return Stopping


@pytest.fixture
def watching():
    """Values, one a look -> the Rounds that find them; an exception among them is raised, once."""

    def rounds(values, total=4, **more):
        left = list(values)

        def validate(_):
            value = left.pop(0)
            if isinstance(value, BaseException):
                raise value
            return value

        made = Rounds(validate, total, **more)
        made.left = left
        return made

    return rounds
