from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.filters import collapse, core
from recembed.data.interactions import Interactions, build
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

event = st.tuples(st.integers(0, 4), st.sampled_from("abcde"), st.integers(0, 3))
rows = st.lists(event, min_size=1, max_size=40)


def built(events, **more):
    users, items, times = zip(*events, strict=True)
    key = np.array(times, np.int64)
    return build(pa.array(users), pa.array(items), sort_key=key, time=key, order="time", **more)


def told(it):
    """The events as tuples, in order."""
    users = it.users.take(it.events.owners()).to_pylist()
    return list(zip(users, it.items.take(it.rows).to_pylist(), it.time.tolist(), strict=True))


@given(rows)
def test_events_are_sorted_by_user_of_first_appearance_then_by_time_then_by_place(events):
    it = built(events)
    appeared = list(dict.fromkeys(user for user, _, _ in events))
    assert it.users.ids.to_pylist() == appeared
    assert it.items.ids.to_pylist() == list(dict.fromkeys(item for _, item, _ in events))
    assert told(it) == sorted(events, key=lambda event: (appeared.index(event[0]), event[2]))


@given(rows, st.integers(1, 3))
def test_groups_of_equal_time_stay_together(events, n_groups):
    groups = [user * 10 + place % n_groups for place, (user, _, _) in enumerate(events)]
    it = built(events, group_ids=pa.array(groups))
    code = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    appeared = list(dict.fromkeys(user for user, _, _ in events))
    expected = sorted(
        zip(events, [code[group] for group in groups], strict=True),
        key=lambda pair: (appeared.index(pair[0][0]), pair[0][2], pair[1]),
    )
    assert told(it) == [event for event, _ in expected]
    assert it.group.tolist() == [group for _, group in expected]


@given(rows)
def test_encoded_columns_give_what_plain_ones_give(events):
    users, items, _ = zip(*events, strict=True)
    plain = build(pa.array(users), pa.array(items))
    chunks = pa.chunked_array([pa.array(items[:1]), pa.array(items[1:], pa.string())])
    alphabet = pa.array(list("xedcba"))
    codes = pa.array(["xedcba".index(item) for item in items], pa.int32())
    encoded = pa.DictionaryArray.from_arrays(codes, alphabet)
    for column in (chunks, chunks.dictionary_encode(), encoded):
        assert build(pa.array(users), column).fingerprint() == plain.fingerprint()


@given(rows, st.integers(1, 4), st.integers(1, 4))
def test_the_core_is_what_removing_one_offender_at_a_time_leaves(events, min_user, min_item):
    left = list(events)
    counts = {}
    while True:
        counts = {name: [event[at] for event in left] for at, name in enumerate(("user", "item"))}
        bad = [
            event
            for event in left
            if counts["user"].count(event[0]) < min_user
            or counts["item"].count(event[1]) < min_item
        ]
        if not bad:
            break
        left = [event for event in left if event is not bad[0]]
    it = built(events)
    if not left:
        with pytest.raises(DataError, match="no event is left"):
            core(it, min_user, min_item)
        return
    kept = core(it, min_user, min_item)
    assert sorted(told(kept)) == sorted(left)
    old = it.users.ids.to_pylist()
    assert kept.users.ids.to_pylist() == [u for u in old if u in counts["user"]]
    assert kept.items.ids.to_pylist() == [
        i for i in it.items.ids.to_pylist() if i in counts["item"]
    ]


@given(rows)
def test_collapsing_keeps_the_last_of_each_pair_and_all_of_the_weight(events):
    it = built(events, weight=np.arange(len(events), dtype=np.float32))
    kept = collapse(it)
    last = {(user, item): time for user, item, time in told(it)}
    assert {(user, item): time for user, item, time in told(kept)} == last
    assert len(kept) == len(last)
    assert (kept.matrix() != it.matrix()).nnz == 0
    assert kept.repeat_rate() == 0


def test_repeats_are_counted_by_pair():
    assert built([(1, "a", 0), (1, "a", 1), (1, "b", 2), (2, "a", 0)]).repeat_rate() == 0.25


def test_a_line_written_twice_is_no_repeat_where_there_are_times():
    events = built([(1, "a", 0), (1, "a", 0), (1, "b", 1), (1, "a", 2), (1, "a", 2)])
    assert events.repeat_rate() == 1 / 3
    assert replace(events, time=None).repeat_rate() == 3 / 5


def test_taking_users_takes_their_columns():
    it = built([(1, "a", 5), (2, "b", 6), (1, "c", 7)])
    taken = it.take_users(np.array([1, 0]))
    assert told(taken) == [(2, "b", 6), (1, "a", 5), (1, "c", 7)]


def test_people_behind_histories_are_found_by_id_and_nobody_is_none_of_them():
    it = built([(7, "a", 0), (0, "b", 0), (3, "c", 0)])
    assert it.rows_among(Vocabulary([0, 7])).tolist() == [1, 0, -1]
    assert it.rows_among(Vocabulary(["0", "7"])).tolist() == [-1, -1, -1]
    cases = replace(it, users=Vocabulary.numbered(3), people=pa.array(["x", None, "x"]))
    assert cases.rows_among(Vocabulary(["0", "x"])).tolist() == [1, -1, 1]
    assert cases.take_users(np.array([1, 2])).rows_among(Vocabulary(["x"])).tolist() == [-1, 0]
    guest = replace(it.take_users(np.array([0])), people=pa.nulls(1))
    assert guest.rows_among(Vocabulary([7])).tolist() == [-1]
    with pytest.raises(DataError, match="3 histories but 2 people"):
        replace(it, people=pa.array([1, 2]))


def test_events_of_items_that_another_vocabulary_lacks_are_left_out():
    it = built([(1, "a", 5), (2, "b", 6), (1, "c", 7)])
    moved = it.with_items(Vocabulary(["c", "x", "a"]))
    assert told(moved) == [(1, "a", 5), (1, "c", 7)]
    assert moved.rows.tolist() == [2, 0]
    assert moved.n_users == 2


def test_sentences_are_histories_or_groups():
    it = build(pa.array([1, 2, 1]), pa.array(["a", "b", "c"]), group_ids=pa.array(["x", "y", "z"]))
    assert it.sentences().sizes.tolist() == [2, 1]
    groups = it.sentences("group")
    assert [groups[i].tolist() for i in range(3)] == [[0], [1], [2]]
    with pytest.raises(DataError, match="has no groups"):
        built([(1, "a", 0)]).sentences("group")


def test_the_matrix_adds_repeats_up():
    assert built([(1, "a", 0), (1, "a", 1), (2, "b", 0)]).matrix().toarray().tolist() == [
        [2, 0],
        [0, 1],
    ]


@pytest.mark.parametrize("text", [True, False])
def test_missing_ids_are_counted(text):
    ids = pa.array(["a", None] if text else [1, None])
    with pytest.raises(DataError, match="1 of 2 items are missing, first at row 1"):
        build(pa.array([1, 2]), ids)


def test_a_group_of_two_users_is_refused():
    with pytest.raises(DataError, match="1 groups belong to more than one user"):
        build(pa.array([1, 2, 1]), pa.array([1, 1, 1]), group_ids=pa.array([7, 7, 8]))


def test_no_events_are_no_log():
    with pytest.raises(DataError, match="empty"):
        build(pa.array([], pa.int64()), pa.array([], pa.int64()))


def test_columns_must_be_aligned():
    users, items = Vocabulary([1]), Vocabulary([1, 2])
    with pytest.raises(DataError, match="time has 1 values for 2 events"):
        Interactions(users, items, Sequences.of([[0, 1]]), time=np.zeros(1, np.int64))
    with pytest.raises(DataError, match="1 users but 2 histories"):
        Interactions(users, items, Sequences.of([[0], [1]]))


def test_the_fingerprint_sees_every_column():
    events = [(1, "a", 0), (1, "b", 0)]
    plain = built(events)
    assert plain.fingerprint() == built(events).fingerprint()
    others = [
        built([(1, "a", 0), (1, "b", 1)]),
        built([(1, "b", 0), (1, "a", 0)]),
        built(events, weight=np.ones(2, np.float32)),
        built(events, group_ids=pa.array([1, 2])),
    ]
    assert len({it.fingerprint() for it in [plain, *others]}) == 5
