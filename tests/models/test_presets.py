"""Presets: all are whole settings, and a log finds its own."""

import numpy as np
import pytest

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.models.presets import LONG, PRESETS, check_suits, preset_of, suited
from recembed.models.registry import estimator
from recembed.settings import flat, kinds


def log(sizes, order=None, group=None, n=10):
    """Users with so many events, of n items, one after the other."""
    offsets = np.cumsum([0, *sizes])
    rows = np.concatenate([np.arange(size, dtype=np.int32) % n for size in (0, *sizes)])
    users = Vocabulary([f"u{at}" for at in range(len(sizes))], "user")
    items = Vocabulary([f"i{at}" for at in range(max(10, n))], "item")
    return Interactions(users, items, Sequences(rows, offsets), group=group, order=order)


PAIRS = np.array([0, 0, 4, 4, 5, 5, 9, 9])


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
        (log([3, 3], "time", np.array([0, 1, 4, 4, 5, 9]), 2), "sparse", "1.2 events a group, 33%"),
        (log([4, 4], "time", PAIRS, 2), "baskets", "2.0 events a group, 50% known from an earlier"),
        (log([4, 4], None, PAIRS, 2), "baskets", "2.0 events a group, 50% known from an earlier"),
        (log([4, 4], "time", PAIRS), "sparse", "in order (2.0 events a group, 0% known from an"),
        (log([4, 4], None, PAIRS), "unordered", "0% known from an earlier one: no baskets"),
        (log([4, 4], "time", PAIRS, 1), "baskets", "50% known"),
        (log([4, 4], "time", np.repeat([0, 1], 4), 2), "sparse", "4.0 events a group, 0% known"),
        (log([], "time"), "sparse", "0.0 events a user"),
    ],
)
def test_a_log_finds_the_preset_of_its_kind(events, name, why):
    found, said = suited(events, True)
    assert found == name
    assert why in said


def test_baskets_are_for_items_that_are_listed_again():
    found, said = suited(log([4, 4], "time", PAIRS, 2), False)
    assert found == "sparse"
    assert "50% known from an earlier one and not listed again: no baskets" in said


@pytest.mark.parametrize(
    ("name", "lacking", "enough"),
    [
        ("dense", log([2]), log([2], "position")),
        ("sparse", log([2]), log([2], "time")),
        ("baskets", log([2], "time"), log([2], None, np.array([1, 1]))),
    ],
)
def test_a_preset_is_refused_where_what_it_is_for_is_not_there(name, lacking, enough):
    check_suits(name, enough)
    check_suits("unordered", enough)
    with pytest.raises(DataError, match=rf"preset {name} is for .*: name their column \(--columns"):
        check_suits(name, lacking)
