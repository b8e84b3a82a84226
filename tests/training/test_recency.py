"""Weights of a history, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.training.recency import Recency


def histories(rows, groups=None):
    flat = None if groups is None else np.array([g for mine in groups for g in mine], np.int64)
    return Interactions(
        Vocabulary.numbered(len(rows)), Vocabulary.numbered(9), Sequences.of(rows), group=flat
    )


ROWS = [[0, 1, 2, 0], [], [3], [4, 5]]
# the first user has three baskets; the last one comes back to a basket they had left
BASKETS = histories([[0, 1, 2, 0, 3], [4], [], [5, 6, 7]], [[7, 7, 2, 5, 5], [3], [], [9, 8, 9]])
CASES = {
    "everything alike": (Recency(), [1, 1, 1, 1, 1, 1, 1]),
    "each step back": (Recency(decay=0.5), [0.125, 0.25, 0.5, 1, 1, 0.5, 1]),
    "the last two": (Recency(last=2), [0, 0, 1, 1, 1, 1, 1]),
    "both": (Recency(decay=0.5, last=3), [0, 0.25, 0.5, 1, 1, 0.5, 1]),
    "the newest alone": (Recency(decay=0.0), [0, 0, 0, 1, 1, 0, 1]),
    "scope and past need groups": (Recency(scope="group", past=0.1), [1] * 7),
}
IN_BASKETS = {
    "everything alike": (Recency(), [1, 1, 1, 1, 1, 1, 1, 1, 1]),
    "a basket is one step": (Recency(decay=0.5), [0.25, 0.25, 0.5, 1, 1, 1, 0.25, 0.5, 1]),
    "last counts events": (Recency(last=3), [0, 0, 1, 1, 1, 1, 1, 1, 1]),
    "the last basket alone": (Recency(scope="group"), [0, 0, 0, 1, 1, 1, 0, 0, 1]),
    "older baskets less": (Recency(past=0.1), [0.1, 0.1, 0.1, 1, 1, 1, 0.1, 0.1, 1]),
    "all at once": (
        Recency(decay=0.5, past=0.1, last=4),
        [0, 0.025, 0.05, 1, 1, 1, 0.025, 0.05, 1],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_without_groups(name):
    recency, expected = CASES[name]
    weights = recency.weights(histories(ROWS))
    assert weights.dtype == np.float32
    assert np.allclose(weights, expected)


@pytest.mark.parametrize("name", IN_BASKETS)
def test_weights_with_groups(name):
    recency, expected = IN_BASKETS[name]
    assert np.allclose(recency.weights(BASKETS), expected)


def test_weights_of_one_item_add_up_and_pooling_is_the_weighted_mean():
    vectors = np.arange(18, dtype=np.float32).reshape(9, 2)
    recency = Recency(decay=0.5)
    matrix = recency.matrix(histories(ROWS)).toarray()
    assert np.allclose(matrix[0], [1.125, 0.25, 0.5, 0, 0, 0, 0, 0, 0])
    assert not matrix[1].any()
    pooled = recency.pool(histories(ROWS), vectors)
    assert pooled.dtype == np.float32
    total = 1.125 + 0.25 + 0.5
    first = (1.125 * vectors[0] + 0.25 * vectors[1] + 0.5 * vectors[2]) / total
    assert np.allclose(pooled, [first, [0, 0], vectors[3], (vectors[4] * 0.5 + vectors[5]) / 1.5])


def test_weights_of_the_log_multiply():
    rated = replace(histories([[0, 1]]), weight=np.array([3, -1], np.float32))
    assert Recency(decay=0.5).weights(rated).tolist() == [1.5, -1]
    vectors = np.array([[1, 0], [0, 1]] + [[0, 0]] * 7, np.float32)
    assert np.allclose(Recency(decay=0.5).pool(rated, vectors), [[0.6, -0.4]])


def test_no_events_and_no_users_weigh_nothing():
    assert len(Recency().weights(histories([[], []]))) == 0
    assert len(Recency(past=0.5).weights(histories([[], []], [[], []]))) == 0
    vectors = np.ones((9, 3), np.float32)
    assert not Recency().pool(histories([[], []]), vectors).any()
    assert Recency().pool(histories([]), vectors).shape == (0, 3)


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from(["user", "group"]),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_a_user_weighs_the_same_alone_as_among_others(groups, decay, last, scope, past):
    """And as in the definition, event by event."""
    own = [[10 * user + g for g in mine] for user, mine in enumerate(groups)]
    together = histories([[0] * len(mine) for mine in groups], own)
    weights = Recency(decay=decay, last=last, scope=scope, past=past).weights(together)
    expected = []
    for mine in groups:
        for at in range(len(mine)):
            age = sum(a != b for a, b in zip(mine[at:], mine[at + 1 :], strict=False))
            back = len(mine) - 1 - at
            weight = decay**age if last is None or back < last else 0
            if age > 0:
                weight *= 0 if scope == "group" else past
            expected.append(weight)
    assert np.allclose(weights, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decay": 1.5}, "decay must be at most 1.0, not 1.5"),
        ({"decay": -0.1}, "decay must be at least 0.0, not -0.1"),
        ({"last": 0}, "last must be at least 1, not 0"),
        ({"scope": "basket"}, "scope is one of user, group, not 'basket'"),
        ({"past": -1}, "past must be at least 0.0, not -1"),
    ],
)
def test_values_out_of_range_are_named(values, message):
    with pytest.raises(DataError) as error:
        Recency(**values)
    assert str(error.value) == message
