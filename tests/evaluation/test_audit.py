"""Leaks that are planted are found and named; clean splits have none."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import TEST, TRAIN, VALID, split
from recembed.errors import DataError
from recembed.evaluation.audit import audit, hold

HOUR = 3600
DAY = 24 * HOUR


def log_of(events, *, order="time", times=True, groups=True):
    """(user, item, hour, basket) each."""
    user, item, hour, group = zip(*events, strict=True)
    time = np.array(hour, np.int64) * HOUR
    return Log(
        build(
            pa.array(user),
            pa.array(item),
            sort_key=time if order else None,
            time=time if times else None,
            group_ids=pa.array(group) if groups else None,
            order=order,
        )
    )


# Four users, a basket of two items every fourth hour; user 0 comes first, then user 1 ...
DIARY = [
    (f"u{user}", f"i{user}{visit}{line}", 4 * visit + user, f"u{user}-{visit}")
    for user in range(4)
    for visit in range(5)
    for line in "ab"
]


def position(log, item):
    """Where the event with this item stands; every item of DIARY is bought once."""
    return int(
        np.flatnonzero(log.interactions.rows == log.interactions.items.ids.to_pylist().index(item))[
            0
        ]
    )


def moved(parts, code, *items):
    """The split with the events of these items in another part."""
    part = parts.part.copy()
    part[[position(parts.log, item) for item in items]] = code
    return replace(parts, part=part)


def named(findings, kind=None):
    return {each.name: each.text for each in findings if kind in (None, each.kind)}


def leaks(parts, on="test", *, repeats=True, **more):
    return named(audit(parts, on, repeats=repeats, **more), "leak")


def count(text):
    """The number that a finding begins with."""
    return int(text.split()[0].replace(",", ""))


diaries = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 11)),
    min_size=4,
    max_size=40,
    unique=True,
)
RULES = (
    "last:1",
    "last:2",
    "time:-3h",
    "time:0.3",
    "time:-6h..-3h",
    "users:0.5",
    "users:0.5/0.3",
    "random:0.3",
    "groups:0.3",
    "groups:-3h",
)


@given(diaries, st.sampled_from(RULES), st.sampled_from((None, *RULES)), st.integers(0, 3))
def test_a_clean_split_of_every_rule_has_no_leak(drawn, test, valid, seed):
    # Baskets are of five hours, so that some run over a border.
    log = log_of([(f"u{u}", f"i{i}", t, f"{u}-{t // 5}") for u, i, t in drawn])
    try:
        parts = split(log, test, valid, seed=seed)
    except DataError:
        assume(False)  # nothing on one side
    for on in ("test",) if valid is None else ("test", "valid"):
        for repeats in (True, False):
            assert leaks(parts, on, repeats=repeats) == {}


@given(diaries, st.sampled_from(["last:1", "users:0.5", "random:0.3", "groups:0.3"]))
def test_a_clean_split_without_times_has_no_leak(drawn, test):
    pairs = sorted({(u, i) for u, i, _ in drawn})
    rows = [(f"u{u}", f"i{i}", 0, f"{u}-{i % 2}") for u, i in pairs]
    order = "position" if test == "last:1" else None
    try:
        parts = split(log_of(rows, order=order, times=False), test)
    except DataError:
        assume(False)
    assert leaks(parts) == leaks(parts, repeats=False) == {}


@given(diaries, st.sampled_from(RULES[:5]))
def test_a_given_split_is_as_clean_as_the_rule_it_was_made_by(drawn, rule):
    log = log_of([(f"u{u}", f"i{i}", t, f"{u}-{t}") for u, i, t in drawn])
    try:
        made = split(log, rule)
    except DataError:
        assume(False)
    kept = log.keep(made.part <= TEST)
    part = made.part[made.part <= TEST]
    own = replace(kept, interactions=replace(kept.interactions, part=part))
    assert leaks(split(own, "given")) == {}


def test_what_is_trained_on_at_or_after_a_point_in_time_is_a_leak():
    parts = split(log_of(DIARY), "time:-6h")  # hours 14 to 19
    late = moved(parts, TRAIN, "i24b", "i34a")  # hours 18 and 19
    text = leaks(late)["test before train"]
    assert text.startswith("2 events that may be trained on")
    assert "1970-01-01T14:00:00" in text
    assert text.endswith("first items 'i24b', 'i34a'")


def test_a_window_keeps_what_comes_after_it_out_and_says_so():
    parts = split(log_of(DIARY), "time:-6h..-3h")  # hours 14 to 16, three visits come after
    findings = named(audit(parts, "test", repeats=True))
    assert findings["events of no part"].startswith("6 events after the window")
    assert "test before train" not in findings
    assert "test before train" in leaks(moved(parts, TRAIN, "i34a"))


def test_a_held_out_event_before_the_users_training_is_a_leak():
    parts = split(log_of(DIARY), "last:2")
    wrong = moved(moved(parts, TEST, "i10a"), TRAIN, "i14a")
    text = leaks(wrong)["test before train"]
    assert text == (
        "1 held-out event of 1 user came before one of theirs that may be trained on; "
        "first items 'i10a'"
    )


def test_positions_tell_the_order_where_there_are_no_times():
    parts = split(log_of(DIARY, order="position", times=False), "last:2")
    assert leaks(parts) == {}
    wrong = moved(parts, TEST, "i10a")
    assert count(leaks(wrong)["test before train"]) == 1


def test_a_given_part_that_is_mixed_in_time_is_a_leak():
    log = log_of(DIARY, groups=False)
    part = np.where(log.interactions.time >= 14 * HOUR, TEST, TRAIN).astype(np.uint8)
    clean = split(replace(log, interactions=replace(log.interactions, part=part)), "given")
    assert leaks(clean) == {}
    assert list(leaks(moved(clean, TEST, "i00a", "i10a"))) == ["test before train"]
    part = np.random.default_rng(0).permutation(part)
    mixed = split(replace(log, interactions=replace(log.interactions, part=part)), "given")
    assert "test before train" in leaks(mixed)


def test_equal_times_at_the_border_are_a_note():
    parts = split(log_of(DIARY), "last:1")  # two lines a visit: one is held out
    found = audit(parts, "test", repeats=True)
    assert count(named(found, "note")["ties at the border"]) == 4
    assert named(found, "leak") == {}


def test_random_parts_say_that_training_lies_after_them():
    parts = split(log_of(DIARY), "random:0.3")
    notes = named(audit(parts, "test", repeats=False), "note")
    held, time = parts.part == TEST, parts.log.interactions.time
    owner = parts.log.interactions.events.owners()
    early = [any((owner == owner[at]) & ~held & (time > time[at])) for at in np.flatnonzero(held)]
    assert notes["test before train"].startswith(f"{np.mean(early):.1%} of held-out events")
    assert leaks(parts) == {}


def test_a_group_on_both_sides_is_a_leak():
    for rule in ("groups:0.3", "groups:-6h"):
        parts = split(log_of(DIARY), rule)
        at = int(np.flatnonzero(parts.part == TEST)[0])
        item = parts.log.interactions.items.id(int(parts.log.interactions.rows[at]))
        text = leaks(moved(parts, TRAIN, item))["torn groups"]
        assert text.startswith("1 group had events on both sides")


def test_a_group_that_begins_after_the_first_held_out_one_is_a_leak():
    parts = split(log_of(DIARY), "groups:-6h")
    late = leaks(moved(parts, TRAIN, "i34a", "i34b"))
    assert late.keys() == {"test before train"}
    assert count(late["test before train"]) == 2


def test_a_group_that_runs_over_the_border_is_a_note():
    long = [("u9", "x", 10, "long"), ("u9", "y", 18, "long")]
    parts = split(log_of([*DIARY, *long]), "groups:-6h")
    found = audit(parts, "test", repeats=True)
    assert named(found, "leak") == {}
    assert count(named(found, "note")["groups over the border"]) == 1


# Ann buys milk twice in one purchase, Bob on two days; each has one event held out.
TWINS = [
    ("ann", "eggs", 0, 0),
    ("ann", "milk", 9, 1),
    ("ann", "milk", 9, 1),
    ("bob", "milk", 5, 2),
    ("bob", "milk", 9, 3),
]


def test_lines_of_one_purchase_on_both_sides_are_a_leak_where_items_may_come_back():
    parts = split(log_of(TWINS), "last:1", file_order=True)
    text = leaks(parts)["duplicates over the border"]
    assert text.startswith("1 held-out event of 1 user (50.00%) stood in training too")
    assert "first items 'milk'" in text


def test_the_same_lines_are_misses_where_items_may_not_come_back():
    parts = split(log_of(TWINS), "last:1", file_order=True)
    found = audit(parts, "test", repeats=False)
    assert named(found, "leak") == {}
    assert "misses for every model" in named(found, "note")["duplicates over the border"]


def test_without_times_the_same_basket_tells_twins():
    parts = split(log_of(TWINS, times=False, order="position"), "last:1", file_order=True)
    assert count(leaks(parts)["duplicates over the border"]) == 1


def test_rows_copied_from_train_to_test_are_a_leak_even_without_times():
    rows = [(f"u{n % 20}", f"i{n}", 0, 0) for n in range(200)]
    copies = [rows[n] for n in range(0, 200, 20)]
    log = log_of([*rows, *copies], order=None, times=False, groups=False)
    events = log.interactions
    pairs = events.events.owners().astype(np.int64) * events.n_items + events.rows
    _, once = np.unique(pairs, return_index=True)
    part = np.ones(len(events), np.uint8) * TEST
    part[once] = TRAIN  # ten copies
    fresh = np.setdiff1d(np.arange(len(events)), once)
    unlike = np.flatnonzero(~np.isin(pairs, pairs[fresh]))[:40]
    part[unlike] = TEST
    own = split(replace(log, interactions=replace(events, part=part)), "given")
    assert "(20.00%)" in leaks(own)["duplicates over the border"]


def test_habits_without_times_are_no_duplicates():
    rows = [(f"u{n % 9}", f"i{n % 7}", 0, n) for n in range(200)]
    log = log_of(rows, order="position", times=False, groups=False)
    assert leaks(split(log, "last:3")) == {}


@given(
    st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=2, max_size=30),
    st.lists(st.sampled_from([TRAIN, VALID, TEST]), min_size=30, max_size=30),
)
def test_duplicates_agree_with_a_slow_version(drawn, codes):
    log = log_of([(f"u{u}", f"i{i}", t, f"{u}-{g}") for u, i, t, g in drawn])
    events, part = log.interactions, np.array(codes[: len(drawn)], np.uint8)
    assume({TRAIN, VALID, TEST} <= set(part.tolist()))
    own = split(replace(log, interactions=replace(events, part=part)), "given", "given")
    keys = list(zip(events.events.owners(), events.rows, events.time, events.group, strict=True))
    for on, code in (("valid", VALID), ("test", TEST)):
        before = {key for key, at in zip(keys, part, strict=True) if at < code}
        twins = sum(key in before for key, at in zip(keys, part, strict=True) if at == code)
        found = leaks(own, on).get("duplicates over the border", "0")
        assert count(found) == twins


def test_a_model_that_learned_from_the_held_out_part_is_a_leak():
    parts = split(log_of(DIARY), "last:2", "last:2")
    trained = {"honest": VALID, "usual": TEST, "refitted": TEST + 1}
    assert leaks(parts, "test", trained=trained) == {
        "trained on what is asked": "1 model learned from the test part itself: 'refitted'"
    }
    assert leaks(parts, "valid", trained=trained) == {
        "trained on what is asked": "2 models learned from the valid part itself: "
        "'usual', 'refitted'"
    }


DAYS = [(user, item, 24 * hour, basket) for user, item, hour, basket in DIARY]


def described(parts, of="items", **columns):
    """The split with a table whose row r has the r-th of each column's values."""
    ids = getattr(parts.log.interactions, of)
    return replace(parts, log=replace(parts.log, **{of: Catalogue(ids, pa.table(columns))}))


def changed(parts, late, at):
    """Days since 1970 of each item: `at` for those named, else the first."""
    return [at if item in late else 1 for item in parts.log.interactions.items.ids.to_pylist()]


@pytest.mark.parametrize("kind", ["date", "timestamp", "seconds", "milliseconds"])
def test_a_table_of_a_later_time_is_a_leak_where_a_model_reads_it(kind):
    shift = 20_000  # days: numbers as large as times of today
    moved_days = [(user, item, hour + 24 * shift, basket) for user, item, hour, basket in DAYS]
    parts = split(log_of(moved_days), "time:-5d")  # days 15 to 19 of twenty
    days = np.array(changed(parts, ("i00a", "i31b"), 15)) + shift
    column = {
        "date": pa.array(days.astype("M8[D]")),
        "timestamp": pa.array((days * DAY).astype("M8[s]")),
        "seconds": pa.array(days * DAY),
        "milliseconds": pa.array(days * DAY * 1000),
    }[kind]
    known = described(parts, colour=pa.array(["red"] * 40), updated_at=column)
    text = leaks(known, features={"popularity": (), "item2vec": ("colour",)})
    assert text == {
        "the item table is of a later time": "2 trained items dated after "
        "2024-10-18T23:59:59 by column 'updated_at', first 'i00a', 'i31b'; "
        "'item2vec' learned from this table"
    }
    unread = audit(known, "test", repeats=True, features={"popularity": ()})
    assert named(unread, "leak") == {}
    assert "no model learned from" in named(unread, "note")["the item table is of a later time"]


def test_users_of_a_later_time_are_counted_and_never_named():
    parts = split(log_of(DAYS), "time:-5d")
    days = np.array([1, 17, 1, 1]).astype("M8[D]")
    known = described(parts, "users", town=pa.array(["x"] * 4), since=pa.array(days))
    text = leaks(known, features={"two-tower": ("town",)})["the user table is of a later time"]
    assert text.startswith("1 trained user dated after")
    assert "u1" not in text


def test_tables_of_their_time_are_no_finding():
    parts = split(log_of(DAYS), "time:-5d")
    new = "i34a"  # sold on day 19 only: nobody trained on it, so it may be dated so
    days = np.array(changed(parts, (new,), 19))
    fine = described(
        parts,
        released=pa.array(days.astype("M8[D]")),
        update_count=pa.array(days * DAY * 1000),  # a number by a name like a time's, of odd sizes
        price=pa.array(days * DAY * 2000),
        empty_date=pa.nulls(40, pa.date32()),
    )
    found = audit(fine, "test", repeats=True, features={"item2vec": ("price",)})
    assert not [each for each in found if "table" in each.name]


def test_others_future_is_told_of_where_users_end_at_different_times():
    rows = [(f"u{user}", f"i{n}", 10 * user + n, user) for user in range(4) for n in range(3)]
    parts = split(log_of(rows), "last:1")  # held out at hours 2, 12, 22, 32: the median is 17
    notes = named(audit(parts, "test", repeats=True), "note")
    assert notes["others' future"].startswith("50.0% of the events that may be trained on")
    assert "others' future" not in named(
        audit(split(log_of(rows), "time:-9h"), "test", repeats=True)
    )


def test_cold_items_and_users_are_counted():
    rows = [("ann", "a", 0, 0), ("ann", "b", 1, 1), ("ann", "b", 9, 2), ("bob", "c", 9, 3)]
    notes = named(audit(split(log_of(rows), "time:-1h"), "test", repeats=True), "note")
    assert notes["cold items"].startswith("1 held-out event of 1 user went to 1 item that no")
    assert notes["cold users"].startswith("1 held-out event of 1 user followed no event")
    users = split(log_of(DIARY), "users:0.5")
    assert "cold users" not in named(audit(users, "test", repeats=True))


def test_a_part_larger_than_training_and_a_user_who_decides_are_told_of():
    rows = [("ann", f"a{n}", n, n // 2) for n in range(10)]
    rows += [("bob", f"b{n}", 8 + n, 9) for n in range(2)]
    notes = named(audit(split(log_of(rows), "groups:-8h"), "test", repeats=True), "note")
    assert notes["more held out than trained on"].startswith("10 held-out events, only 2")
    assert notes["one user decides"].startswith("4 of 5 held-out groups came from one user")
    small = named(audit(split(log_of(DIARY), "last:1"), "test", repeats=True))
    assert not {"more held out than trained on", "one user decides"} & small.keys()


def test_leaks_come_first_and_are_refused_in_one_line_unless_allowed():
    parts = split(log_of(TWINS), "last:1", file_order=True)
    found = audit(parts, "test", repeats=True, trained={"als": TEST + 1})
    kinds = [each.kind for each in found]
    assert kinds == sorted(kinds)
    assert kinds.count("leak") == 2
    with pytest.raises(
        DataError, match=r"found 2 leaks: .*itself: 'als'.*--leaks report"
    ) as raised:
        hold(found, allow=False)
    assert "\n" not in str(raised.value)
    hold(found, allow=True)
    hold([each for each in found if each.kind == "note"], allow=False)


def test_no_finding_names_a_user():
    rows = [(f"secret{u}", i, t, f"secret{u}-{t}") for u, i, t, _ in TWINS]
    for parts in (split(log_of(rows), "last:1"), split(log_of(rows), "time:-1h")):
        for each in audit(parts, "test", repeats=True, trained={"als": TEST + 1}):
            assert "secret" not in each.text


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="no valid part"):
        audit(split(log_of(DIARY), "last:1"), "valid", repeats=True)
