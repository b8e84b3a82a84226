"""Cases of shares, windows, random items and given parts, and histories built block by block."""

from dataclasses import fields

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.split import split
from recembed.errors import DataError
from recembed.evaluation.cases import cases

HOUR = 3600


def log_of(rows, *, part=None, order="time"):
    """A log of (user, item, hour, group) rows."""
    users, items, hours, groups = zip(*rows, strict=True)
    time = HOUR * np.array(hours, np.int64)
    return Log(
        build(
            pa.array(users),
            pa.array(items),
            sort_key=time if order == "time" else None,
            time=time,
            part=None if part is None else np.array(part, np.uint8),
            group_ids=pa.array(groups),
            order=order,
        )
    )


def listed(sequences):
    return [one.tolist() for one in sequences]


def told(found):
    """owner -> (history, given, targets), as ids; one-letter ids become text."""
    ids, users = found.items.ids.to_pylist(), found.source.users.ids.to_pylist()
    parts = (found.histories().events, found.given, found.targets)
    return {
        users[owner]: tuple("".join(ids[row] for row in part) for part in one)
        for owner, *one in zip(found.owner, *parts, strict=True)
    }


def diary(user, letters, start=0):
    return [
        (user, letter, start + at, 0 if user == "u" else 1) for at, letter in enumerate(letters)
    ]


def test_a_window_asks_for_what_is_in_it_from_what_is_before_it():
    log = log_of(diary("u", "abcdef") + diary("v", "xy", 4))
    result = split(log, "time:-4h..-2h")  # hours 2 and 3
    found = cases(result)
    assert told(found) == {"u": ("ab", "", "cd")}
    assert found.events.sum() == 2
    assert found.setting["moments"] == {"test_from": HOUR + 1, "test_until": 3 * HOUR + 1}


def test_a_share_of_a_held_out_users_events_is_asked_for():
    log = log_of(diary("u", "abcdefghij") + diary("v", "abcdefghij"))
    for share, wanted in {
        "0.2": ("abcdefgh", "abcdefgh", "ij"),
        "0.25": ("abcdefgh", "abcdefgh", "ij"),  # 2.5 rounds to the even number
        "0.01": ("abcdefghi", "abcdefghi", "j"),  # at least one
        "0.99": ("a", "a", "bcdefghij"),  # never all
    }.items():
        (only,) = told(cases(split(log, f"users:0.5/{share}"))).values()
        assert only == wanted, share


def test_a_repeated_item_is_asked_for_once():
    log = log_of(diary("u", "abcbcb") + diary("v", "abcbcb"))
    (only,) = told(cases(split(log, "users:0.5/0.5"))).values()
    assert only == ("abc", "abc", "bc")


def test_users_too_short_to_be_asked_for_a_share_are_counted():
    log = log_of([*diary("u", "a"), *diary("v", "ab")])
    for seed in range(9):
        found = cases(split(log, "users:0.5/0.5", seed=seed))
        assert len(found) + found.counts["users_of_one_event"] == 1
        assert told(found) in ({}, {"v": ("a", "a", "b")})


def test_targets_of_a_held_out_user_are_drawn_where_there_is_no_order():
    log = log_of([("u", c, 0, 0) for c in "abcd"] + [("v", c, 0, 1) for c in "abcd"], order=None)
    result = split(log, "users:0.5/0.5")
    drawn = {next(iter(told(cases(result, seed=seed)).values()))[2] for seed in range(90)}
    assert drawn == {"ab", "ac", "ad", "bc", "bd", "cd"}


def test_random_asks_for_what_it_held_out_whenever_that_was():
    log = log_of(diary("u", "abcdabcdab"))
    found = cases(split(log, "random:0.25", seed=1))
    history, given, targets = told(found)["u"]
    assert (given, len(targets)) == ("", 1)
    assert history == "abcdabcdab".replace(targets, "")


def test_given_parts_are_asked_for_as_they_are_even_before_train():
    rows = diary("u", "abcde") + diary("v", "xyz")
    log = log_of(rows, part=[2, 0, 0, 1, 0, 2, 2, 2])
    alone = cases(split(log, "given"))
    assert told(alone) == {"u": ("bcde", "", "a"), "v": ("", "", "xyz")}
    assert (alone.counts["cold_cases"], alone.counts["targets_never_trained"]) == (1, 4)
    both = split(log, "given", "given")
    assert told(cases(both, "valid")) == {"u": ("bce", "", "d")}
    assert told(cases(both))["u"] == ("bcde", "", "a")


events = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 6)), min_size=4, max_size=40
)
ANY_RULE = ["last:1", "last:2", "time:0.3", "time:-5h..-2h", "users:0.5", "users:0.5/0.4"]
ANY_RULE += ["random:0.4", "groups:0.3"]


@given(events, st.sampled_from(ANY_RULE), st.lists(st.integers(0, 99), max_size=6), st.booleans())
def test_a_block_of_histories_is_that_block_of_all(drawn, rule, picked, repeats):
    try:
        found = cases(split(log_of([(f"u{u}", f"i{i}", t, u) for u, i, t in drawn]), rule))
    except DataError:
        return  # nothing on one side of the cut
    n, whole = len(found), found.histories()
    assert whole.events.sizes.tolist() == found.history_sizes.tolist()
    assert whole.users.ids.to_pylist() == list(range(n))
    some = np.array(picked, np.int64)[np.array(picked) < n] if picked else np.zeros(0, np.int64)
    some = np.unique(some)
    for at in (slice(0, n // 2), slice(n // 2, None), some[::-1]):
        block = found.histories(at)
        expected = whole.take_users(np.arange(n)[at])
        assert block.fingerprint() == expected.fingerprint()
        assert block.order == whole.order
        excluded = found.exclude(repeats, at)
        assert listed(excluded) == [listed(found.exclude(repeats))[i] for i in np.arange(n)[at]]


def test_many_baskets_of_one_user_hold_no_copy_of_their_past():
    n = 2_000
    rows = [("u", f"i{at % 50}", at, at // 2) for at in range(4 * n)]
    found = cases(split(log_of(rows), f"groups:{np.datetime64(2 * n, 'h')}"))
    assert len(found) == n
    past = found.history_sizes - found.given.sizes
    assert past.tolist() == [2 * n] * n  # 8 million events in all
    held = [getattr(found, field.name) for field in fields(found) if field.name != "source"]
    held += [part for each in held if isinstance(each, Sequences) for part in vars(each).values()]
    bytes_of = [each.nbytes for each in held if isinstance(each, np.ndarray)]
    assert len(bytes_of) >= 10
    assert sum(bytes_of) < 100 * n
    assert len(found.histories(slice(7, 9))) == 2 * (2 * n + 1)
