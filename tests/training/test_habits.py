"""How far a history raises the scores of its own items."""

import numpy as np
import pytest

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.training.habits import Habits
from recembed.training.recency import Recency


def events_of(rows, weight=None):
    return Interactions(
        Vocabulary.numbered(len(rows), "user"),
        Vocabulary.numbered(4, "item"),
        Sequences.of(rows),
        weight=weight,
        order="position",
    )


SHARES = np.array([0.5, 0.25, 0.125, 0.125], np.float32)


def test_an_item_is_raised_by_its_recent_events_against_its_share():
    habits = Habits(weight=0.1, recency=Recency(decay=0.5))
    raised = habits.raises(events_of([[0, 2, 0], [], [3]]), SHARES).toarray()
    times = np.array([[1 + 0.25, 0, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(raised, np.log1p(0.1 * times / SHARES), rtol=1e-6)
    assert raised.dtype == np.float32


def test_with_a_bias_of_log_shares_a_score_is_the_log_of_a_mixture():
    habits = Habits(weight=0.1, recency=Recency(decay=1.0))
    raised = habits.raises(events_of([[1, 1, 2]]), SHARES).toarray()[0]
    mixture = SHARES + 0.1 * np.array([0, 2, 1, 0])
    np.testing.assert_allclose(np.exp(raised + np.log(SHARES)), mixture, rtol=1e-6)


def test_more_given_back_than_taken_lowers_nothing():
    events = events_of([[0, 0, 1]], np.array([1, -3, 2], np.float32))
    raised = Habits(weight=0.1, recency=Recency()).raises(events, SHARES).toarray()[0]
    assert raised[0] == 0
    assert raised[1] > 0


def test_no_weight_is_no_habit():
    assert not Habits()
    assert Habits(weight=0.01)
    with pytest.raises(DataError, match="weight"):
        Habits(weight=-0.1)
