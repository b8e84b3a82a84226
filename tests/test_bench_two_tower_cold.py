"""How `bin/bench two-tower` cuts off cold items and places them; nothing is trained."""

import importlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import Interactions
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cold(monkeypatch):
    """The module."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("benchmarks.two_tower_cold")


def events_of(histories, n_items):
    users = Vocabulary.numbered(len(histories), "user")
    items = Vocabulary.numbered(n_items, "item")
    return Interactions(users, items, Sequences.of(histories), order="position")


@pytest.mark.parametrize(("on", "last"), [("test", 1), ("valid", 2)])
def test_no_cold_item_is_trained_on_and_each_case_hides_one(cold, monkeypatch, on, last):
    random = np.random.default_rng(0)
    histories = [random.permutation(40)[: random.integers(3, 9)].tolist() for _ in range(300)]
    monkeypatch.setattr(cold, "shared", lambda name: name)
    monkeypatch.setattr(cold, "read_log", lambda _: Log(events_of(histories, 40)))
    asked = cold.cut(1, on)
    assert asked.cold.sum() == 4
    read = asked.log.interactions
    expected = []
    for user, history in enumerate(histories):
        past = [item for item in history[:-last] if not asked.cold[item]]
        assert read.events[user].tolist() == past
        if asked.cold[history[-last]] and past:
            expected.append((user, history[-last]))
            gone = [item for item in history[:-last] if asked.cold[item]]
            assert asked.had.events[user].tolist() == gone
    assert list(zip(asked.users, asked.targets, strict=True)) == expected
    assert len(expected) > 10


def test_a_place_counts_cold_items_that_score_as_high_but_none_that_the_user_had(cold):
    events = events_of([[0], [0, 3], [0]], 5)
    had = events_of([[], [3], []], 5)
    mask = np.array([False, True, False, True, True])  # cold: items 1, 3 and 4
    users = np.array([0, 1, 2], np.int32)
    asked = cold.Cold(Log(events), mask, users, np.array([1, 4, 3], np.int32), had)
    scores = np.array([[1, 1, 0], [0, 5, 4], [2, 1, 3]], np.float32)
    assert cold.places(scores, asked).tolist() == [2, 1, 3]


def test_text_alone_finds_the_item_that_reads_like_the_history(cold):
    events = events_of([[0], [1]], 4)
    text = ["red rose | Garden", "hair oil | Care", "white rose | Garden", "body oil | Care"]
    log = Log(events, Catalogue(events.items, pa.table({"text": text})))
    nothing = events_of([[], []], 4)
    mask, users = np.array([False, False, True, True]), np.arange(2, dtype=np.int32)
    asked = cold.Cold(log, mask, users, np.array([2, 3], np.int32), nothing)
    assert cold.by_text(asked).tolist() == [1, 1]
