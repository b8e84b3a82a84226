"""Histories as dense blocks: every event once, little padding, ages and gaps by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.training.buckets import SLACK, STRETCH
from recembed.training.recency import Recency
from recembed.training.towers.buckets import GAPS, Histories
from recembed.training.towers.settings import Attention, Mean, Transformer


def events_of(rows, **columns):
    n_items = 1 + max([0, *(row for mine in rows for row in mine)])
    users, items = Vocabulary.numbered(len(rows)), Vocabulary.numbered(n_items)
    return Interactions(users, items, Sequences.of(rows), **columns)


def numbered(lengths):
    """Histories of these lengths; every event has an item of its own."""
    ends = np.cumsum(lengths)
    return [list(range(end - n, end)) for n, end in zip(lengths, ends, strict=True)]


LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=40)


def buckets(lengths, most, **how):
    return Histories.of(events_of(numbered(lengths)), Mean()).buckets(most, **how)


@given(LENGTHS, st.integers(1, 200), st.booleans())
def test_every_event_stands_in_one_block_in_its_order(lengths, most, even):
    seen = {}
    for bucket in buckets(lengths, most, even=even):
        assert bucket.there.sum(axis=1).tolist() == bucket.lengths.tolist()
        for user, length, at in zip(bucket.which, bucket.lengths, bucket.at, strict=True):
            assert user not in seen
            seen[user] = at[:length].tolist()
            assert (at[length:] == seen[user][-1]).all()
    rows = numbered(lengths)  # its item is where an event stands among all
    assert seen == {user: mine for user, mine in enumerate(rows) if mine}


@given(LENGTHS, st.integers(1, 200))
def test_a_block_is_small_and_its_histories_are_about_as_long(lengths, most):
    longest = 0
    for bucket in buckets(lengths, most):
        assert bucket.at.size <= most or len(bucket.which) == 1
        assert bucket.at.shape[1] == bucket.lengths.max()
        assert bucket.lengths.max() <= STRETCH * bucket.lengths.min() + SLACK
        assert bucket.lengths.min() >= longest  # shortest first
        longest = bucket.lengths.max()


@given(LENGTHS, st.integers(1, 200))
def test_an_even_block_has_histories_of_one_length_and_no_padding(lengths, most):
    for bucket in buckets(lengths, most, even=True):
        assert bucket.there.all()
        assert len(set(bucket.lengths.tolist())) == 1
        assert bucket.at.size <= most or len(bucket.which) == 1


@pytest.mark.parametrize("even", [False, True])
def test_histories_of_one_length_are_one_block_without_padding(even):
    [bucket] = buckets([7] * 30, 10_000, even=even)
    assert bucket.there.all()
    assert bucket.which.tolist() == list(range(30))


@pytest.mark.parametrize("lengths", [[0, 0], []])
def test_no_history_no_block(lengths):
    assert list(buckets(lengths, 100)) == []


@pytest.mark.parametrize("tower", [Mean(), Attention(), Transformer(gaps=True)])
def test_the_age_of_a_grouped_event_is_the_number_of_later_groups(tower):
    group = np.array([0, 0, 1, 2, 2, 5, 6])
    events = events_of([[0, 1, 2, 3, 4], [], [5, 6]], group=group)
    assert Histories.of(events, tower).age.tolist() == [2, 2, 1, 0, 0, 1, 0]


def test_a_gap_is_the_time_since_the_event_before_as_a_power_of_two():
    day = 86_400  # 2 ** 16.4
    time = np.array([10, 10, 11, 14, 14 + day, 5, 5 + 2**31, 7])
    events = events_of([[], [0, 1, 2, 3, 4], [], [5, 6], [7], []], time=time, order="time")
    gap = Histories.of(events, Transformer(gaps=True)).gap
    assert gap[:5].tolist() == [0, 1, 2, 3, 17]  # 0, 1, 3 seconds and a day
    assert gap[5:].tolist() == [0, 32, 0]


def test_the_longest_gap_is_the_last_there_is():
    time = np.array([0, 2**62])
    events = events_of([[0, 1]], time=time, order="time")
    assert Histories.of(events, Transformer(gaps=True)).gap.tolist() == [0, GAPS - 1]


def test_of_a_history_without_times_no_gap_is_known():
    assert Histories.of(events_of([[0, 1]]), Transformer(gaps=True)).gap.tolist() == [0, 0]


def test_weights_are_those_of_the_mean_tower():
    events = events_of([[0, 1, 2], [], [3, 4]])
    weight = Histories.of(events, Mean(recency=Recency(decay=0.5))).weight
    np.testing.assert_allclose(weight, [1 / 7, 2 / 7, 4 / 7, 1 / 3, 2 / 3], rtol=1e-6)


@pytest.mark.parametrize("tower", [Attention(), Transformer()])
def test_other_towers_weigh_by_themselves(tower):
    histories = Histories.of(events_of([[0, 1]], time=np.array([1, 2])), tower)
    assert histories.weight is None
    assert histories.gap is None
