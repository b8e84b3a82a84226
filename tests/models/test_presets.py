"""Presets: all are whole settings, and a log finds its own."""

import numpy as np
import pytest

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.presets import LONG, PRESETS, preset_of, suited
from recembed.models.registry import estimator
from recembed.settings import flat, kinds


def log(sizes, order=None, group=None):
    """Users with so many events, of ten items."""
    random, offsets = np.random.default_rng(0), np.cumsum([0, *sizes])
    rows = random.integers(0, 10, offsets[-1], dtype=np.int32)
    users = Vocabulary([f"u{at}" for at in range(len(sizes))], "user")
    items = Vocabulary([f"i{at}" for at in range(10)], "item")
    return Interactions(users, items, Sequences(rows, offsets), group=group, order=order)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_what_its_model_has(name):
    known = preset_of(name)
    made = estimator(known.model, known.values)
    values = flat(made) | kinds(made)
    for key, value in known.values.items():
        assert values[key] == value
    assert len(known.described()) == 1 + len(known.values)


def test_an_unknown_preset_is_refused_with_near_ones():
    with pytest.raises(DataError, match="no preset 'sparze'; there is sparse"):
        preset_of("sparze")
    with pytest.raises(DataError, match="dense, sparse, unordered, baskets, auto"):
        preset_of("x")


@pytest.mark.parametrize(
    ("events", "name", "why"),
    [
        (log([LONG + 1, LONG - 1], "time"), "dense", f"{LONG}.0 events a user"),
        (log([LONG, LONG - 2, 0], "position"), "sparse", f"{LONG - 1}.0 events a user"),
        (log([LONG, LONG]), "unordered", "neither times nor positions"),
        (log([3, 3], "time", np.array([0, 1, 4, 4, 5, 9])), "sparse", "3.0 events a user"),
        (log([2, 2], "time", np.array([0, 0, 7, 7])), "baskets", "2.0 events a group"),
        (log([2, 2], None, np.array([5, 5, 7, 7])), "baskets", "2.0 events a group"),
        (log([], "time"), "sparse", "0.0 events a user"),
    ],
)
def test_a_log_finds_the_preset_of_its_kind(events, name, why):
    found, said = suited(events)
    assert found == name
    assert why in said
