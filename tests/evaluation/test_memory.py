"""Evaluation stays under its cap: users x items never stand in memory at once."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import split
from recembed.evaluation.answers import Measure
from recembed.evaluation.cases import cases
from recembed.evaluation.runner import evaluate
from recembed.models.history import HistoryModel
from recembed.models.popularity import Popularity
from recembed.models.ranker import VectorRanker
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex
from recembed.training.recency import Recency

USERS, ITEMS, EACH = 3000, 20_000, 8
CAP = 1 << 25  # 32 MiB; all scores at once would take 240
MACHINE = Machine(threads=2, memory=CAP)


@pytest.fixture(scope="module")
def parts():
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(USERS), EACH)
    item = random.integers(0, ITEMS, len(user))
    item[:ITEMS] = np.arange(ITEMS)  # every item is there
    time = np.arange(len(user))
    events = build(pa.array(user), pa.array(item), sort_key=time, time=time, order="time")
    return split(Log(events), "last:1")


def popular(parts):
    return Popularity().fit(parts.train, machine=MACHINE)


def vectors(parts):
    items = parts.log.interactions.items
    tables = tuple(
        np.random.default_rng(seed).normal(size=(len(items), 16)).astype(np.float32)
        for seed in range(2)
    )
    known = np.ones(len(items), bool)
    model = HistoryModel.of(items, tables, known, Recency())
    return VectorRanker(model, ExactIndex(model.items, MACHINE))


@pytest.mark.parametrize("made", [popular, vectors])
def test_scores_of_all_users_are_never_there_at_once(parts, made):
    ranker, asked = made(parts), cases(parts)
    assert 4 * USERS * asked.n_items > 7 * CAP
    measure = Measure(repeats=False, ks=(10,), memory=CAP)
    evaluate({"a": ranker}, asked, measure)  # what is compiled is loaded before
    tracemalloc.start()
    try:
        evaluate({"a": ranker}, asked, measure)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * CAP  # a block of scores, or one of the bootstrap's draws: 48 MiB
