"""Histories as dense blocks: every event once, little padding, ages and gaps by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.training.recency import Recency
from recembed.training.towers.buckets import GAPS, SLACK, STRETCH, Histories
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


@given(LENGTHS, st.integers(1, 200), st.none() | st.integers(1, 30))
def test_every_event_stands_in_one_block_in_its_order(lengths, most, reach):
    rows = numbered(lengths)
    seen, events = {}, []
    for bucket in Histories.of(events_of(rows), reach).buckets(most):
        for i, user in enumerate(bucket.which.tolist()):
            assert user not in seen
            seen[user] = bucket.rows[i, : bucket.lengths[i]].tolist()
            assert (bucket.rows[i, bucket.lengths[i] :] == seen[user][-1]).all()
            assert bucket.age[i, : bucket.lengths[i]].tolist()[::-1] == list(range(len(seen[user])))
        assert bucket.there.sum(axis=1).tolist() == bucket.lengths.tolist()
        laid = bucket.rows[bucket.there]  # its item is where an event stands among all
        assert bucket.events.tolist() == laid.tolist()
        events += laid.tolist()
    newest = {user: mine if reach is None else mine[-reach:] for user, mine in enumerate(rows)}
    assert seen == {user: mine for user, mine in newest.items() if mine}
    assert len(events) == len(set(events))


@given(LENGTHS, st.integers(1, 200))
def test_a_block_is_small_and_its_histories_are_about_as_long(lengths, most):
    longest = 0
    for bucket in Histories.of(events_of(numbered(lengths)), None).buckets(most):
        assert bucket.rows.size <= most or len(bucket.which) == 1
        assert bucket.rows.shape[1] == bucket.lengths.max()
        assert bucket.lengths.max() <= STRETCH * bucket.lengths.min() + SLACK
        assert bucket.lengths.min() >= longest  # shortest first
        longest = bucket.lengths.max()


def test_histories_of_one_length_are_one_block_without_padding():
    [bucket] = Histories.of(events_of(numbered([7] * 30)), None).buckets(10_000)
    assert bucket.there.all()
    assert bucket.which.tolist() == list(range(30))


def test_no_history_no_block():
    assert list(Histories.of(events_of([[], []]), 5).buckets(100)) == []
    assert list(Histories.of(events_of([]), 5).buckets(100)) == []


def test_the_age_of_a_grouped_event_is_the_number_of_later_groups():
    group = np.array([0, 0, 1, 2, 2, 5, 6])
    events = events_of([[0, 1, 2, 3, 4], [5, 6]], group=group)
    short, long = Histories.of(events, 4).buckets(5)
    assert short.age.tolist() == [[1, 0]]
    assert long.rows.tolist() == [[1, 2, 3, 4]]
    assert long.age.tolist() == [[2, 1, 0, 0]]


def test_a_gap_is_the_time_since_the_event_before_as_a_power_of_two():
    day = 86_400  # 2 ** 16.4
    time = np.array([10, 10, 11, 14, 14 + day, 5, 5 + 2**31])
    events = events_of([[0, 1, 2, 3, 4], [5, 6]], time=time, order="time")
    short, long = Histories.of(events, None, gaps=True).buckets(5)
    assert long.gap.tolist() == [[0, 1, 2, 3, 17]]  # 0, 1, 3 seconds and a day
    assert short.gap.tolist() == [[0, 32]]
    assert short.gap.max() < GAPS
    assert next(Histories.of(events, None).buckets(100)).gap is None


def test_a_gap_counts_from_the_event_before_the_reach_too():
    events = events_of([[0, 1, 2]], time=np.array([0, 0, 3]), order="time")
    [bucket] = Histories.of(events, 1, gaps=True).buckets(100)
    assert bucket.gap.tolist() == [[3]]


def test_weights_are_those_of_the_mean_tower_and_none_in_the_padding():
    events = events_of([[0, 1, 2], [3, 4]])
    histories = Histories.for_tower(events, Mean(recency=Recency(decay=0.5)), None)
    [bucket] = histories.buckets(100)
    np.testing.assert_allclose(bucket.weight, [[1 / 3, 2 / 3, 0], [1 / 7, 2 / 7, 4 / 7]], rtol=1e-6)


@pytest.mark.parametrize("tower", [Attention(), Transformer()])
def test_other_towers_weigh_by_themselves(tower):
    [bucket] = Histories.for_tower(events_of([[0, 1]]), tower, None).buckets(100)
    assert bucket.weight is None
    assert bucket.gap is None
