"""A log with planted clusters, and every registered estimator fitted on it."""

import io
from contextlib import redirect_stderr
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.models.ranker import VectorRanker
from recembed.models.registry import estimator, names
from recembed.models.stored import has_vectors
from recembed.progress import Progress
from recembed.protocols import Estimator, Fitted, Machine, Ranker
from recembed.search.exact import ExactIndex

ONE = Machine(threads=1, device="cpu", memory=1 << 26)
CLUSTERS, SIZE, USERS, UNTRAINED = 6, 20, 200, 5
N_ITEMS = CLUSTERS * SIZE + UNTRAINED
# Small, so that all is fitted in seconds; dim 8 and 3 negatives share one compiled kernel.
SMALL = {
    "item2vec": {"dim": 8, "negatives": 3, "epochs": 15, "learning_rate": 0.05},
    "two-tower": {
        "dim": 16,
        "epochs": 4,
        "batch_size": 96,
        "learning_rate": 0.03,
        "features.categories": "colour",  # of which untrained items have none
    },
    "als": {"dim": 16, "iterations": 5},
    "ials": {"dim": 16, "iterations": 5},
    "bpr": {"dim": 16, "iterations": 60, "learning_rate": 0.05},
    "lightgcn": {"dim": 16, "epochs": 10, "batch_size": 256, "learning_rate": 0.02},
    "ease": {"regularization": 20.0},
    "item-knn": {"neighbours": 20},
}
VARIANTS = {
    "item2vec of groups": ("item2vec", {"unit": "group", "blend": 0.5}),
    "two-tower of groups": ("two-tower", {"unit": "group"}),
    "two-tower, mean of groups": (
        "two-tower",
        {"unit": "group", "tower": "mean", "bias": True, "features.text": "colour"},
    ),
    "two-tower, attention, cosine": ("two-tower", {"tower": "attention", "score": "cosine"}),
    "two-tower, sampled softmax": ("two-tower", {"loss": "sampled", "tower.gaps": True}),
    "als of groups": ("als", {"unit": "group", "recency.last": 6}),
    "ials of groups": ("ials", {"unit": "group", "nu": 0.5}),
    "bpr of groups": ("bpr", {"unit": "group", "recency.decay": 0.9}),
    "lightgcn of groups": ("lightgcn", {"unit": "group", "recency.decay": 0.9}),
    "lightgcn, bpr": ("lightgcn", {"loss": "bpr", "epochs": 40}),
    "ease of groups": ("ease", {"unit": "group", "recency.decay": 0.9}),
    "item-knn of groups": ("item-knn", {"unit": "group", "recency.past": 0.5}),
    "repeat, newest habits first": ("repeat", {"recency.decay": 0.8}),
}
CASES = {name: (name, {}) for name in names()} | VARIANTS


@dataclass(frozen=True)
class World:
    """cluster [n_items], -1 where no event has the item; favourite [n_users]: their cluster."""

    log: Log
    cluster: np.ndarray
    favourite: np.ndarray

    @property
    def histories(self):
        return self.log.interactions

    @property
    def untrained(self):
        return np.flatnonzero(self.cluster < 0)


@dataclass(frozen=True)
class Trained:
    estimator: Estimator
    model: Fitted
    ranker: Ranker
    said: str = ""


def answering(model):
    """The ranker of a model, as a run's."""
    return VectorRanker(model, ExactIndex(model.items, ONE)) if has_vectors(model) else model


def make_world():
    """Users take 3 of 4 events from their favourite cluster, four items a basket."""
    rng = np.random.default_rng(7)
    cluster = np.repeat(np.arange(-1, CLUSTERS), [UNTRAINED] + [SIZE] * CLUSTERS)
    rng.shuffle(cluster)
    favourite = rng.integers(0, CLUSTERS, USERS)
    trained = np.flatnonzero(cluster >= 0)
    histories = []
    for liked in favourite:
        own = np.flatnonzero(cluster == liked)
        size = int(rng.integers(3, 5)) * 4
        mine = rng.random(size) < 0.75
        mine[-4:] = True
        histories.append(np.where(mine, rng.choice(own, size), rng.choice(trained, size)).tolist())
    rows = Sequences.of(histories)
    items = Vocabulary([f"item {i}" for i in range(N_ITEMS)], "item")
    events = Interactions(
        Vocabulary([f"user {i}" for i in range(USERS)], "user"),
        items,
        rows,
        time=np.arange(len(rows.values), dtype=np.int64),
        group=np.arange(len(rows.values), dtype=np.int64) // 4,
        order="time",
    )
    table = pa.table(
        {
            "colour": [None if c < 0 else f"colour {c}" for c in cluster],
            "tags": [[f"tag {i % 5}", f"tag {i % 7}"] for i in range(N_ITEMS)],
        }
    )
    return World(Log(events, Catalogue(items, table)), cluster, favourite)


@pytest.fixture(scope="session")
def planted():
    return make_world()


def made(case):
    name, values = CASES[case]
    return estimator(name, SMALL.get(name, {}) | values)


@pytest.fixture(scope="session", params=CASES)
def case(request):
    return request.param


@pytest.fixture(scope="session")
def make(case):
    """The case's estimator, not fitted."""
    return made(case)


@pytest.fixture(scope="session")
def trained(case, make, planted):
    model = make.fit(planted.log, seed=3, machine=ONE)
    return Trained(make, model, answering(model))


@pytest.fixture(scope="session")
def again(make, planted):
    """The same as `trained` once more, and what it said."""
    with redirect_stderr(io.StringIO()) as said:
        model = make.fit(planted.log, seed=3, machine=ONE, progress=Progress("lines"))
    return Trained(make, model, answering(model), said.getvalue())


@pytest.fixture(scope="session")
def ranked():
    """Model -> its ranker."""
    return answering


@pytest.fixture(scope="session")
def one():
    """One thread on the CPU."""
    return ONE


@pytest.fixture
def log_of():
    """Nested lists of item rows, one a user -> Log of n items; groups where they are given."""

    def log(histories, n_items=None, groups=None, weights=None, table=None):
        rows = Sequences.of(histories)
        n = n_items or max(map(max, filter(None, histories))) + 1
        items = Vocabulary.numbered(n, "item")
        flat = None if groups is None else np.array([g for mine in groups for g in mine], np.int64)
        weight = None if weights is None else np.concatenate(weights).astype(np.float32)
        users = Vocabulary.numbered(len(histories), "user")
        events = Interactions(users, items, rows, group=flat, weight=weight, order="position")
        return Log(events, None if table is None else Catalogue(items, pa.table(table)))

    return log
