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


def events_of(rows, groups=None, n_items=None, order="position"):
    flat = None if groups is None else np.array([g for mine in groups for g in mine], np.int64)
    n = n_items or 1 + max([0, *(value for mine in rows for value in mine)])
    return Interactions(
        Vocabulary.numbered(len(rows)),
        Vocabulary.numbered(n),
        Sequences.of(rows),
        group=flat,
        order=order,
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


def batches(examples, size, seed):
    """All examples in a random order, `size` at a time."""
    random = RANDOM(seed)
    order = random.permutation(len(examples))
    return [examples.batch(order[at : at + size], random) for at in range(0, len(examples), size)]


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


def test_what_a_group_gave_is_told_unless_it_is_wanted_again():
    groups = [[0, 0, 1, 1, 1, 1]]
    events = events_of([[8, 9, 1, 2, 3, 2]], groups)
    examples, random, twice = Examples.of(events, "group", reach=9), RANDOM(0), 0
    for _ in range(50):
        batch = examples.batch(np.array([1]), random)
        given, wanted = set(batch.given[0].tolist()), set(batch.targets[0].tolist())
        assert given == set(batch.histories.events[0].tolist()) - {8, 9} - wanted
        twice += 2 in wanted and 2 in batch.histories.events[0]
    assert twice


@pytest.mark.parametrize("every", [False, True])
def test_of_users_in_order_nothing_is_given(every):
    examples = Examples.of(events_of([[4, 1, 4], [3, 0]]), "user", reach=9, every=every)
    batch = examples.batch(np.arange(len(examples)), RANDOM(0))
    assert batch.given.sizes.tolist() == [0] * len(examples)


def test_each_share_of_a_group_is_given_as_often():
    groups = [[0, 1, 1, 1, 1]]
    examples = Examples.of(events_of(numbered(groups), groups), "group", reach=9)
    random, sizes = RANDOM(1), Counter()
    for _ in range(2000):
        [(_, target)] = pairs(examples.batch(np.array([0]), random))
        sizes[len(target)] += 1
    assert set(sizes) == {1, 2, 3, 4}
    assert all(400 < count < 600 for count in sizes.values())


@pytest.mark.parametrize(("least", "sizes"), [(0.5, {1, 2, 3}), (0.95, {1})])
def test_of_a_group_the_least_share_is_given(least, sizes):
    groups = [[0, 1, 1, 1, 1, 1]]
    examples = Examples.of(events_of(numbered(groups), groups), "group", reach=9, given=least)
    random = RANDOM(1)
    drawn = [pairs(examples.batch(np.array([0]), random)) for _ in range(99)]
    assert {len(target) for [(_, target)] in drawn} == sizes


def test_of_a_user_without_order_the_least_share_is_given_and_something_is_left():
    examples = Examples.of(events_of([[0, 1], [2, 3, 4, 5]], order=None), "user", 9, given=0.7)
    random = RANDOM(2)
    for _ in range(99):
        two, four = pairs(examples.batch(np.arange(2), random))
        assert [len(part) for part in two] == [1, 1]
        assert len(four[1]) in (1, 2)


@pytest.mark.parametrize("reach", [1, 2, 9])
def test_a_user_without_order_gives_any_part_for_the_rest(reach):
    examples = Examples.of(events_of([[0, 1, 2], [3], [], [4, 5]], order=None), "user", reach)
    assert examples.starts.tolist() == [0, 4]  # one item alone tells nothing
    random, seen = RANDOM(0), set()
    for _ in range(300):
        (first, wanted), other = pairs(examples.batch(np.arange(2), random))
        assert sorted(first + wanted) == [0, 1, 2]
        assert sorted([*other[0], *other[1]]) == [4, 5]
        seen.add(tuple(first))
    ones = {(0,), (1,), (2,)}
    assert seen == (ones if reach == 1 else ones | {(0, 1), (0, 2), (1, 2)})


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
    for batch in batches(examples, size, seed):
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


def test_every_event_of_a_user_has_the_next_one_for_its_target():
    events = events_of([[4, 1, 4], [2], [], [3, 0]])
    examples = Examples.of(events, "user", reach=9, every=True)
    assert len(examples) == 2
    assert examples.positions == 3
    batch = examples.batch(np.array([1, 0]), RANDOM(0))
    assert [batch.histories.events[i].tolist() for i in range(2)] == [[3], [4, 1]]
    assert [target.tolist() for target in batch.targets] == [[0], [1], [4]]
    assert batch.users.tolist() == [3, 0]


def test_a_long_history_is_learned_from_in_parts_of_the_reach():
    events = events_of([[0, 1, 2, 3, 4], [5, 6]])
    examples = Examples.of(events, "user", reach=2, every=True, older=True)
    assert examples.positions == 5
    batch = examples.batch(np.array([0, 2]), RANDOM(0))
    assert [batch.histories.events[i].tolist() for i in range(2)] == [[2, 3], [5]]
    assert batch.targets.values.tolist() == [3, 4, 6]
    random = RANDOM(0)
    older = [examples.batch(np.array([1]), random) for _ in range(50)]
    seen = {(tuple(one.histories.rows), tuple(one.targets.values)) for one in older}
    assert seen == {((0, 1), (1, 2)), ((0,), (1,))}  # each time elsewhere


@given(
    st.lists(st.integers(0, 9), max_size=6), st.integers(1, 12), st.booleans(), st.integers(0, 99)
)
def test_every_event_in_one_pass_is_all_prefixes_with_their_targets(lengths, reach, older, seed):
    """Of the newest events; older parts are somewhere before them, no longer than the reach."""
    rows = numbered([[user] * n for user, n in enumerate(lengths)])
    examples = Examples.of(events_of(rows), "user", reach, every=True, older=older)
    random = RANDOM(seed)
    newest, total = [], 0
    for block in range(len(examples)):
        batch = examples.batch(np.array([block]), random)
        history, targets = batch.histories.events[0].tolist(), batch.targets.values.tolist()
        mine = rows[batch.users[0]]
        assert 1 <= len(history) <= reach
        assert batch.targets.sizes.tolist() == [1] * len(history)
        at = mine.index(history[0])
        assert mine[at : at + len(history)] == history
        assert mine[at + 1 : at + 1 + len(history)] == targets
        if examples.starts[block] == np.cumsum(lengths)[batch.users[0]] - 1:
            assert at + 1 + len(history) == len(mine)
            newest.append((batch.users[0], len(history)))
        total += len(history)
    assert newest == [(user, min(n - 1, reach)) for user, n in enumerate(lengths) if n > 1]
    asked = [max(n - 1, 0) if older else min(max(n - 1, 0), reach) for n in lengths]
    assert total <= examples.positions == sum(asked)


def test_positions_are_the_histories_that_are_asked():
    events = events_of([[4, 1, 4], [2], [3, 0]])
    assert Examples.of(events, "user", reach=9).positions == 3


def test_a_history_keeps_its_columns_and_its_user():
    time, weight = np.arange(5) * 10, np.linspace(1, 2, 5, dtype=np.float32)
    plain = events_of([[0, 1], [2, 3, 4]])
    events = Interactions(
        plain.users, plain.items, plain.events, time=time, weight=weight, order="time"
    )
    examples = Examples.of(events, "user", reach=1)
    batch = examples.batch(np.array([2, 0]), RANDOM(0))
    assert pairs(batch) == [([3], [4]), ([0], [1])]
    assert batch.users.tolist() == [1, 0]
    assert batch.histories.time.tolist() == [30, 0]
    assert batch.histories.weight.tolist() == [1.75, 1.0]
    assert batch.histories.order == "time"
