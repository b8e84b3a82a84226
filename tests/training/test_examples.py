"""Training examples: what came before a block of events, and what came then."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import Interactions
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.training.examples import Examples

RANDOM = np.random.default_rng


def events_of(rows, groups=None, n_items=None):
    flat = None if groups is None else np.array([g for mine in groups for g in mine], np.int64)
    n = n_items or 1 + max([0, *(value for mine in rows for value in mine)])
    return Interactions(
        Vocabulary.numbered(len(rows)), Vocabulary.numbered(n), Sequences.of(rows), group=flat
    )


def numbered(groups):
    """Every event has an item of its own, so that it can be told apart."""
    sizes = [len(mine) for mine in groups]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [list(range(a, b)) for a, b in pairwise(starts)]


def pairs(batch):
    """[(history, targets)] as lists."""
    return [
        (batch.histories.events[i].tolist(), batch.targets[i].tolist())
        for i in range(batch.histories.n_users)
    ]


def test_each_event_follows_those_before_it():
    examples = Examples.of(events_of([[4, 1, 4], [2], [], [3, 0]]), "user", reach=9)
    batch = examples.batch(np.arange(len(examples)), RANDOM(0))
    assert pairs(batch) == [([4], [1]), ([4, 1], [4]), ([3], [0])]


def test_reach_leaves_out_what_is_far_back():
    examples = Examples.of(events_of([[0, 1, 2, 3, 4]]), "user", reach=2)
    batch = examples.batch(np.array([3, 0]), RANDOM(0))
    assert pairs(batch) == [([2, 3], [4]), ([0], [1])]


def test_a_group_is_taken_as_one_block_and_gives_a_part_of_itself():
    groups = [[1, 1, 0, 0, 0], [3], [2, 2]]
    events = events_of(numbered(groups), groups)
    examples = Examples.of(events, "group", reach=9)
    assert examples.starts.tolist() == [0, 2, 6]  # the group of one event has no past
    seen = {0: set(), 1: set(), 2: set()}
    random = RANDOM(0)
    for _ in range(300):
        for i, (history, target) in enumerate(pairs(examples.batch(np.arange(3), random))):
            seen[i].add((tuple(history), tuple(target)))
    assert seen[0] == {((0,), (1,)), ((1,), (0,))}  # nothing before: one is given
    assert seen[2] == {((6,), (7,)), ((7,), (6,))}
    parts = [((0, 1), (2, 3, 4)), ((0, 1, 2), (3, 4)), ((0, 1, 3), (2, 4)), ((0, 1, 4), (2, 3)),
             ((0, 1, 2, 3), (4,)), ((0, 1, 2, 4), (3,)), ((0, 1, 3, 4), (2,))]  # fmt: skip
    assert seen[1] == set(parts)


def test_each_share_of_a_group_is_given_as_often():
    groups = [[0, 1, 1, 1, 1]]
    examples = Examples.of(events_of(numbered(groups), groups), "group", reach=9)
    random, sizes = RANDOM(1), Counter()
    for _ in range(2000):
        [(_, target)] = pairs(examples.batch(np.array([0]), random))
        sizes[len(target)] += 1
    assert set(sizes) == {1, 2, 3, 4}
    assert all(400 < count < 600 for count in sizes.values())


def test_groups_that_interleave_are_laid_out_in_order_of_their_first_event():
    groups = [[0, 1, 0, 1, 2, 0]]
    events = events_of(numbered(groups), groups)
    examples = Examples.of(events, "group", reach=9)
    assert examples.events.rows.tolist() == [0, 2, 5, 1, 3, 4]
    assert examples.events.group.tolist() == [0, 0, 0, 1, 1, 2]
    assert examples.starts.tolist() == [0, 3, 5]
    assert events.rows.tolist() == [0, 1, 2, 3, 4, 5]  # the log stays


def test_groups_of_a_log_without_groups_say_what_to_do():
    with pytest.raises(DataError, match="no groups: name their column"):
        Examples.of(events_of([[0, 1]]), "group", reach=9)


@pytest.mark.parametrize("unit", ["user", "group"])
@pytest.mark.parametrize("rows", [[[]], [[], []], [[0], [1]], []])
def test_where_nothing_has_a_past_there_is_no_example(unit, rows):
    groups = [[user] * len(mine) for user, mine in enumerate(rows)]
    assert len(Examples.of(events_of(rows, groups), unit, reach=9)) == 0


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=5),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from(["user", "group"]),
    st.integers(0, 99),
)
def test_a_target_is_never_in_its_own_history_and_all_blocks_are_used_once(
    groups, reach, size, unit, seed
):
    groups = [[10 * user + g for g in mine] for user, mine in enumerate(groups)]
    rows = numbered(groups)  # item = event, so a leak of an event is seen
    group_of = [g for mine in groups for g in mine]
    examples = Examples.of(events_of(rows, groups), unit, reach)
    order = {int(event): at for at, event in enumerate(examples.events.rows)}
    targets, blocks = [], []
    for batch in examples.batches(size, RANDOM(seed)):
        assert batch.histories.n_users <= size
        laid = batch.histories.group
        assert laid.tolist() == [group_of[event] for event in batch.histories.rows]
        for history, target in pairs(batch):
            assert history
            assert target
            assert not set(history) & set(target)
            assert all(group_of[event] // 10 == group_of[target[0]] // 10 for event in history)
            block = {group_of[event] for event in target}
            assert len(block) == 1
            own = [event for event in history if group_of[event] in block and unit == "group"]
            past = [event for event in history if event not in own]
            places = [order[event] for event in past]
            assert places == sorted(places)
            assert len(past) <= reach
            first = min(order[event] for event in own + target)
            assert all(place < first for place in places)
            assert history == past + own  # what is given of a group is the newest
            if unit == "group":
                assert sorted(own + target) == [
                    event for event, g in enumerate(group_of) if g in block
                ]
                assert len(past) == min(reach, first - min(order[e] for e in rows[
                    group_of[target[0]] // 10]))  # fmt: skip
            targets += target
            blocks += block
    if unit == "user":
        assert sorted(targets) == sorted(event for mine in rows for event in mine[1:])
    else:
        assert len(set(blocks)) == len(blocks) == len(examples)
        alone = {mine[0] for mine in groups if mine and mine.count(mine[0]) == 1}
        assert set(blocks) == set(group_of) - alone


def test_epochs_come_in_another_order_each_and_the_same_for_one_seed():
    examples = Examples.of(events_of([list(range(40))]), "user", reach=3)
    one, two, other = (
        [pairs(batch) for batch in examples.batches(7, RANDOM(seed))] for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other
    flat = [pair for batch in one for pair in batch]
    assert flat != sorted(flat)
