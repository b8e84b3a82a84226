"""Shares of time, windows, random items and given parts, by hand and by property."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import LATER, TEST, TRAIN, VALID, split
from recembed.errors import DataError

DAY = 86_400


def log_of(rows, part=None, order="time"):
    """A log of (user, item, time) rows."""
    users, items, times = zip(*rows, strict=True)
    time = np.array(times, np.int64)
    part = None if part is None else np.array(part, np.uint8)
    key = time if order == "time" else None
    ids = pa.array(users), pa.array(items)
    return Log(build(*ids, sort_key=key, time=time, part=part, order=order))


def by_day(*days):
    return log_of([("u", f"i{at}", day * DAY) for at, day in enumerate(days)])


def days(result, code):
    return (result.log.interactions.time[result.part == code] // DAY).tolist()


def test_the_last_share_of_time_is_cut_at_the_moment_that_comes_nearest():
    # From day 9 on: 1 event of 10; from day 8 on: 4; from day 5 on: 5.
    log = by_day(0, 1, 2, 3, 4, 5, 8, 8, 8, 9)
    for rule, wanted in {
        "time:0.1": [9],
        "time:0.2": [9],  # one is nearer to two than four are
        "time:0.25": [9],  # as near from above: the later moment
        "time:0.3": [8, 8, 8, 9],
        "time:0.5": [5, 8, 8, 8, 9],
        "time:0.99": [1, 2, 3, 4, 5, 8, 8, 8, 9],  # never all of them
        "time:0.001": [9],  # never none
    }.items():
        assert days(split(log, rule), TEST) == wanted, rule


moments = st.lists(st.integers(0, 9), min_size=2, max_size=30).filter(lambda t: len(set(t)) > 1)


@given(moments, st.integers(1, 99))
def test_no_other_moment_comes_nearer_to_a_share_of_time(times, percent):
    result = split(by_day(*times), f"time:0.{percent:02}")
    first = result.moments["test_from"] // DAY
    held = [time for time in times if time >= first]
    assert sorted(days(result, TEST)) == sorted(held)
    sizes = [sum(time >= at for time in times) for at in set(times) - {min(times)}]
    aim = percent / 100 * len(times)
    assert abs(len(held) - aim) == pytest.approx(min(abs(size - aim) for size in sizes))


def test_the_valid_share_is_of_what_the_test_part_leaves():
    result = split(by_day(*range(100)), "time:0.1", "time:0.1")
    assert days(result, TEST) == list(range(90, 100))
    assert days(result, VALID) == list(range(81, 90))
    assert result.moments == {"test_from": 90 * DAY, "valid_from": 81 * DAY}
    assert result.stated("test") == "time:0.1 (from 1970-04-01T00:00:00Z)"
    assert result.stated("valid") == "time:0.1 (from 1970-03-23T00:00:00Z)"


def test_a_share_of_one_moment_cannot_be_cut():
    with pytest.raises(DataError, match=r"time:0\.1 leaves the train part empty"):
        split(by_day(3, 3, 3), "time:0.1")


def test_what_follows_a_window_is_in_no_part():
    dates = split(by_day(0, 1, 2, 3, 4, 5), "time:1970-01-03..1970-01-05", "time:-1d")
    parts = {code: days(dates, code) for code in (TRAIN, VALID, TEST, LATER)}
    assert parts == {TRAIN: [0], VALID: [1], TEST: [2, 3], LATER: [4, 5]}
    assert dates.counts["later_events"] == 2
    assert dates.moments == {"test_from": 2 * DAY, "test_until": 4 * DAY, "valid_from": 1}
    said = "(from 1970-01-03T00:00:00Z until 1970-01-05T00:00:00Z)"
    assert dates.stated("test") == f"time:1970-01-03..1970-01-05 {said}"
    fitted = dates.fitted("test").interactions
    assert (fitted.time // DAY).tolist() == [0, 1]


def test_windows_before_the_end_stand_side_by_side():
    log = by_day(*range(12))
    whole = split(log, "time:-4d")
    one, other = split(log, "time:-4d..-2d"), split(log, "time:-2d")
    assert days(whole, TEST) == [8, 9, 10, 11]
    assert (days(one, TEST), days(one, LATER)) == ([8, 9], [10, 11])
    assert days(other, TEST) == [10, 11]


def test_a_window_without_an_event_is_an_empty_part():
    with pytest.raises(DataError, match=r"time:-6d\.\.-4d leaves the test part empty"):
        split(by_day(0, 1, 9), "time:-6d..-4d")
    with pytest.raises(DataError, match=r"leaves the train part empty"):
        split(by_day(1, 2, 9), "time:1970-01-01..1970-01-05")


RULES = ["time:0.2", "time:-3d", "time:-6d..-3d", "time:1970-01-04..1970-01-07"]


@given(moments, st.sampled_from(RULES), st.sampled_from([None, "auto", *RULES]))
def test_parts_lie_between_the_moments_that_the_split_states(times, test, valid):
    try:
        result = split(by_day(*times), test, valid)
    except DataError:
        return  # nothing on one side of a cut
    when, part, at = result.log.interactions.time, result.part, dict(result.moments)
    until = at.get("test_until", np.inf)
    assert ((part == TEST) == ((when >= at["test_from"]) & (when < until))).all()
    assert (part[when >= until] == LATER).all()
    assert (when[part == TRAIN] < at["test_from"]).all()
    if valid is not None:
        assert (when[part == VALID] >= at["valid_from"]).all()
        assert (when[part == VALID] < at["test_from"]).all()
        assert (when[part == TRAIN] < at["valid_from"]).all()
    told = {name: result.counts.get(f"{name}_events", 0) for name in ("train", "valid", "test")}
    assert [*told.values()] == [np.count_nonzero(part == code) for code in (TRAIN, VALID, TEST)]


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=60)


@given(pairs, st.integers(1, 9), st.integers(0, 3))
def test_random_holds_out_a_share_of_each_users_items_whole(pairs, tenths, seed):
    log = log_of([(f"u{user}", f"i{item}", 0) for user, item in pairs], order=None)
    try:
        result = split(log, f"random:0.{tenths}", seed=seed)
    except DataError:
        assert all(len({i for u, i in pairs if u == user}) == 1 for user, _ in pairs)
        return
    events, short = log.interactions, 0
    for user, rows in enumerate(events.events):
        part = result.part[events.events.owners() == user]
        held, kept = {*rows[part == TEST].tolist()}, {*rows[part == TRAIN].tolist()}
        assert not held & kept
        n = len(held | kept)
        short += n == 1
        assert len(held) == min(max(round(tenths / 10 * n), 1), n - 1)
    assert result.counts["users_too_short"] == short
    assert (split(log, f"random:0.{tenths}", seed=seed).part == result.part).all()


def test_random_draws_every_item_alike_and_by_the_seed():
    log = log_of([("u", item, 0) for item in "abcdeabc"], order=None)
    drawn = []
    for seed in range(300):
        result = split(log, "random:0.2", seed=seed)
        drawn += log.interactions.items.take(result.test.interactions.rows[:1]).to_pylist()
    assert min(drawn.count(item) for item in "abcde") > 30  # 60 expected, more than 4 sigma


def test_the_parts_that_a_log_brings_are_its_own():
    rows = [("u", item, at * DAY) for at, item in enumerate("abcdef")]
    log = log_of(rows, part=[0, 1, 2, 0, 1, 2])
    both = split(log, "given", "given")
    assert both.part.tolist() == log.interactions.part.tolist()
    assert days(both, VALID) == [1, 4]
    alone = split(log, "given")
    assert (days(alone, TRAIN), days(alone, TEST)) == ([0, 1, 3, 4], [2, 5])
    other = split(log, "given", "last:1")
    assert (days(other, VALID), days(other, TRAIN)) == ([4], [0, 1, 3])


def test_parts_that_are_not_given_are_named():
    with pytest.raises(DataError, match=r"given needs the part .*--columns part=COLUMN"):
        split(by_day(0, 1), "given")
    rows = [("u", item, 0) for item in "abc"]
    with pytest.raises(DataError, match=r"test part empty.* of which 2 train, 1 valid, 0 test"):
        split(log_of(rows, part=[0, 0, 1]), "given")
    with pytest.raises(DataError, match=r"train part empty.* of which 0 train, 0 valid, 3 test"):
        split(log_of(rows, part=[2, 2, 2]), "given")
    with pytest.raises(DataError, match=r"valid part empty.* of which 2 train, 0 valid, 0 test"):
        split(log_of(rows, part=[0, 0, 2]), "given", "given")


def test_held_out_users_are_the_same_whatever_is_asked_of_them():
    log = log_of([(f"u{at % 40}", f"i{at % 7}", at) for at in range(400)])
    one, other = split(log, "users:0.1", seed=3), split(log, "users:0.1/0.2", seed=3)
    assert (one.part == other.part).all()
    assert np.count_nonzero(one.part) == 40


def test_without_a_word_the_last_tenth_of_time_is_held_out():
    result = split(by_day(*range(20)), valid="auto")
    assert (str(result.test_rule), str(result.valid_rule)) == ("time:0.1", "time:0.1")
    assert (days(result, TEST), days(result, VALID)) == ([18, 19], [16, 17])
