"""Cases against answers worked out by hand, and against slow obvious versions."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import split
from recembed.errors import DataError
from recembed.evaluation.cases import cases

# user, item, time, basket; Ann's basket 2 holds milk twice, Cat's only basket one product.
SHOP = [
    ("ann", "milk", 0, 0),
    ("ann", "eggs", 0, 0),
    ("ann", "salt", 3, 1),
    ("ann", "milk", 9, 2),
    ("ann", "figs", 9, 2),
    ("ann", "milk", 9, 2),
    ("ann", "rice", 12, 3),
    ("bob", "milk", 1, 4),
    ("bob", "soap", 8, 5),
    ("bob", "rice", 8, 5),
    ("cat", "figs", 9, 6),
]


def log_of(events, *, order="time"):
    users, items, times, groups = zip(*events, strict=True)
    time = np.array(times, np.int64)
    return Log(
        build(
            pa.array(users),
            pa.array(items),
            sort_key=time if order == "time" else None,
            time=time,
            weight=np.arange(len(events), dtype=np.float32),
            group_ids=pa.array(groups),
            order=order,
        )
    )


def told(found):
    """(owner, history, given, targets) of each case, as ids."""
    ids = found.histories().items.ids.to_pylist()
    names = ["ann", "bob", "cat"]
    return [
        (names[owner], *([ids[row] for row in part] for part in parts))
        for owner, *parts in zip(
            found.owner, found.histories().events, found.given, found.targets, strict=True
        )
    ]


def listed(sequences):
    return [one.tolist() for one in sequences]


def test_last_asks_each_user_for_the_last_event():
    found = cases(split(log_of(SHOP), "last:1", "last:1", file_order=True))
    assert told(found) == [
        ("ann", ["milk", "eggs", "salt", "milk", "figs", "milk"], [], ["rice"]),
        ("bob", ["milk", "soap"], [], ["rice"]),
    ]
    assert found.counts == {
        "cases": 2,
        "users": 2,
        "targets": 2,
        "history_events": 8,
        "cold_cases": 0,
        "cases_without_past": 0,
        "targets_never_trained": 2,
    }
    assert found.histories().users.ids.to_pylist() == [0, 1]
    assert found.histories().order == "time"
    assert found.histories().time.tolist() == [0, 0, 3, 9, 9, 9, 1, 8]
    assert found.histories().weight.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]


def test_valid_cases_see_train_alone():
    found = cases(split(log_of(SHOP), "last:1", "last:1", file_order=True), "valid")
    assert told(found) == [
        ("ann", ["milk", "eggs", "salt", "milk", "figs"], [], ["milk"]),
        ("bob", ["milk"], [], ["soap"]),
    ]
    assert found.counts["targets_never_trained"] == 1


def test_a_point_in_time_asks_for_all_later_items_once():
    found = cases(split(log_of(SHOP), "time:1970-01-01T00:00:08"))
    assert told(found) == [
        ("ann", ["milk", "eggs", "salt"], [], ["milk", "figs", "rice"]),
        ("bob", ["milk"], [], ["rice", "soap"]),
        ("cat", [], [], ["figs"]),
    ]
    assert found.counts["cold_cases"] == found.counts["cases_without_past"] == 1
    assert found.counts["targets_never_trained"] == 5


def test_held_out_users_give_all_but_their_last_event():
    log = log_of([row for row in SHOP if row[1] != "soap"])
    for seed in range(9):
        result = split(log, "users:0.67", seed=seed)
        found = cases(result)
        expected = {
            "ann": ("ann", *[["milk", "eggs", "salt", "milk", "figs", "milk"]] * 2, ["rice"]),
            "bob": ("bob", ["milk"], ["milk"], ["rice"]),
        }
        held = {"ann", "bob", "cat"} - {
            log.interactions.users.id(row)
            for row in np.unique(result.train.interactions.events.owners())
        }
        assert told(found) == [expected[name] for name in sorted(held & {"ann", "bob"})]
        assert found.counts["users_of_one_event"] == ("cat" in held)
        assert found.counts["cases_without_past"] == len(found)


def test_a_basket_hides_one_item_and_shows_the_rest_last():
    result = split(log_of(SHOP), "groups:1970-01-01T00:00:08")
    hidden = set()
    for seed in range(40):
        found = cases(result, seed=seed)
        ann, bob = told(found)
        assert ann in (
            ("ann", ["milk", "eggs", "salt", "figs"], ["figs"], ["milk"]),
            ("ann", ["milk", "eggs", "salt", "milk", "milk"], ["milk", "milk"], ["figs"]),
        )
        assert bob in (
            ("bob", ["milk", "rice"], ["rice"], ["soap"]),
            ("bob", ["milk", "soap"], ["soap"], ["rice"]),
        )
        hidden |= {(ann[3][0], bob[3][0])}
        assert found.histories().group[found.histories().events.offsets[1:] - 1].tolist() == [2, 5]
        # Rice and Cat's figs stand alone in their baskets.
        assert found.counts["baskets_of_one_item"] == 2
        assert (found.owner == cases(result, seed=seed).owner).all()
    assert len(hidden) == 4


def test_each_item_of_a_basket_is_hidden_equally_often():
    rows = [("u", "old", 0, 0)] + [("u", item, 5, 1) for item in "aaaabc"]
    result = split(log_of(rows), "groups:1970-01-01T00:00:05")
    ids = log_of(rows).interactions.items
    drawn = [ids.id(cases(result, seed=seed).targets.values[0]) for seed in range(300)]
    assert {item: drawn.count(item) > 60 for item in "abc"} == dict.fromkeys("abc", True)
    assert len(drawn) == sum(map(drawn.count, "abc"))


def test_the_people_behind_cases_are_their_owners_and_a_case_number_is_nobody():
    names = ["ann", "bob"]
    shop = [(name, item, 0, f"{name} {at}") for name in names for at in range(4) for item in "ab"]
    found = cases(split(log_of(shop), "groups:0.9"))
    owners = [names[owner] for owner in found.owner]
    assert len(owners) == 7
    assert found.histories().people.to_pylist() == owners
    assert found.histories(slice(1, 2)).people.to_pylist() == owners[1:2]


def test_without_an_order_a_basket_sees_all_that_was_trained_on():
    for seed in range(9):
        result = split(log_of(SHOP, order=None), "groups:0.3", seed=seed)
        found = cases(result)
        trained = result.train.interactions
        for at, owner in enumerate(found.owner):
            past = len(found.histories().events[at]) - len(found.given[at])
            assert found.histories().events[at][:past].tolist() == trained.events[owner].tolist()


def test_sessions_that_overlap_in_time_are_kept_apart():
    rows = [("u", "old", 0, 0), ("u", "a", 5, 1), ("u", "b", 6, 2), ("u", "c", 7, 1)]
    rows += [("u", "d", 8, 2), ("u", "e", 9, 1)]
    result = split(log_of(rows), "groups:1970-01-01T00:00:05")
    for seed in range(9):
        one, two = told(cases(result, seed=seed))
        assert sorted(one[2] + one[3]) == ["a", "c", "e"]
        assert sorted(two[2] + two[3]) == ["b", "d"]
        assert (one[1], two[1]) == (["old", *one[2]], ["old", *two[2]])


events = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 6), st.integers(0, 2)),
    min_size=4,
    max_size=40,
)


@given(events, st.integers(0, 5), st.sampled_from(["test", "valid"]))
def test_baskets_agree_with_a_slow_version_and_leak_nothing(drawn, seed, on):
    rows = [(f"u{u}", f"i{i}", t, 10 * u + g) for u, i, t, g in drawn]
    log = log_of(rows)
    try:
        result = split(log, "groups:0.3", "groups:0.4", seed=seed)
    except DataError:
        return  # too few baskets to cut
    found = cases(result, on, seed=seed)
    inter, code = log.interactions, {"test": 2, "valid": 1}[on]
    owners = inter.events.owners()
    asked = 0
    held_groups = dict.fromkeys(inter.group[result.part == code].tolist())
    for group in held_groups:
        at = np.flatnonzero(inter.group == group)
        items = inter.rows[at]
        if len(set(items.tolist())) < 2:
            continue
        (target,) = found.targets[asked]
        assert target in items
        rest = items[items != target].tolist()
        past = [
            inter.rows[i]
            for i in range(at[0])
            if owners[i] == owners[at[0]] and result.part[i] < code
        ]
        assert found.given[asked].tolist() == rest
        assert found.histories().events[asked].tolist() == past + rest
        assert found.owner[asked] == owners[at[0]]
        asked += 1
    assert asked == len(found)
    assert found.counts["baskets_of_one_item"] == len(held_groups) - asked


@given(events, st.integers(0, 5), st.sampled_from(["last:1", "last:2", "time:-3h", "users:0.5"]))
def test_users_agree_with_a_slow_version_and_leak_nothing(drawn, seed, rule):
    rows = [(f"u{u}", f"i{i}", 3600 * t, 10 * u + g) for u, i, t, g in drawn]
    log = log_of(rows)
    try:
        result = split(log, rule, seed=seed)
    except DataError:
        return  # nothing on one side of the cut
    found = cases(result, seed=seed)
    inter, test = log.interactions, result.part == 2
    owners, asked = inter.events.owners(), 0
    for user in range(inter.n_users):
        mine = owners == user
        held, before = inter.rows[mine & test].tolist(), inter.rows[mine & ~test].tolist()
        if not held or (rule.startswith("users") and len(held) == 1):
            continue
        targets, history = found.targets[asked].tolist(), found.histories().events[asked].tolist()
        assert found.owner[asked] == user
        if rule.startswith("users"):
            assert sorted(history + targets) == sorted(held)
            assert len(targets) == 1
            last = inter.time[mine].max()
            assert targets[0] in inter.rows[mine & (inter.time == last)]
        else:
            assert (targets, history) == (sorted(set(held)), before)
        asked += 1
    assert asked == len(found)


def test_a_held_out_user_without_order_is_asked_for_any_item():
    rows = [("ann", item, 0, 0) for item in "abc"] + [("bob", item, 0, 1) for item in "abc"]
    result = split(log_of(rows, order=None), "users:0.5")
    asked = {cases(result, seed=seed).targets.values[0] for seed in range(30)}
    assert asked == {0, 1, 2}


def test_what_may_not_be_listed_depends_on_repeats_and_the_rule():
    basket = cases(split(log_of(SHOP), "groups:1970-01-01T00:00:08"))
    assert listed(basket.exclude(True)) == listed(basket.given)
    assert listed(basket.exclude(False)) == listed(basket.histories().events)
    for rule in ("last:1", "users:0.67"):
        found = cases(split(log_of(SHOP), rule))
        assert found.exclude(True).sizes.tolist() == [0] * len(found)
        assert listed(found.exclude(False)) == listed(found.histories().events)


def test_the_setting_says_how_to_get_the_same_cases():
    result = split(log_of(SHOP), "last:1", "users:0.5", seed=4)
    found = cases(result, "valid", seed=6)
    assert found.setting == {
        "test_rule": "last:1",
        "valid_rule": "users:0.5",
        "evaluated_on": "valid",
        "moments": {},
        "split_seed": 4,
        "case_seed": 6,
        "data": log_of(SHOP).interactions.fingerprint(),
    }
    assert str(found.rule) == "users:0.5"


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="no valid part"):
        cases(split(log_of(SHOP), "last:1"), "valid")


def test_what_may_be_trained_on_is_counted_item_by_item():
    found = cases(split(log_of(SHOP), "last:1", "last:1", file_order=True))
    ids = found.items.ids.to_pylist()
    counts = dict(zip(ids, found.events.tolist(), strict=True))
    assert counts == {"milk": 4, "eggs": 1, "salt": 1, "figs": 2, "rice": 0, "soap": 1}
    assert found.n_items == len(found.items) == 6
