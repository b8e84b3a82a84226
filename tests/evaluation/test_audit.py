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
    row = log.interactions.items.ids.to_pylist().index(item)
    return int(np.flatnonzero(log.interactions.rows == row)[0])


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
    return int(text.split()[0])


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
    late = moved(parts, TRAIN, "i23b", "i24b", "i34a")  # hours 14, 18 and 19
    text = leaks(late)["test before train"]
    assert text.startswith("3 events that may be trained on")
    assert "1970-01-01T14:00:00" in text
    assert text.endswith("first items 'i23b', 'i24b', 'i34a'")
    assert "others' future" not in named(audit(late, "test", repeats=True))


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


def test_a_group_that_begins_with_the_first_held_out_one_or_later_is_a_leak():
    parts = split(log_of([*DIARY, ("u9", "x", 14, "new")]), "groups:-6h")
    late = audit(moved(parts, TRAIN, "x", "i34a", "i34b"), "test", repeats=True)
    assert named(late, "leak").keys() == {"test before train"}
    assert count(named(late, "leak")["test before train"]) == 3
    assert "groups over the border" not in named(late)


def test_a_group_that_runs_over_the_border_is_a_note():
    long = [("u9", "x", 10, "long"), ("u9", "y", 18, "long")]
    parts = split(log_of([*DIARY, *long]), "groups:-6h")
    found = audit(parts, "test", repeats=True)
    assert named(found, "leak") == {}
    assert count(named(found, "note")["groups over the border"]) == 1


def test_what_a_group_has_in_another_part_does_not_tell_when_it_began():
    rows = [("u", "a", 0, 0), ("u", "x", 8, 1), ("u", "y", 14, 1), ("v", "c", 10, 2)]
    parts = split(log_of([*rows, ("v", "d", 15, 3)]), "random:0.3", "groups:-2h")
    own = replace(parts, part=np.full(5, TRAIN, np.uint8))
    assert leaks(moved(moved(own, TEST, "x"), VALID, "y", "d"), "valid") == {}


def test_a_model_that_learned_from_the_held_out_part_is_a_leak():
    parts = split(log_of(DIARY), "last:2", "last:2")
    trained = {"honest": VALID, "usual": TEST, "refitted": TEST + 1}
    assert leaks(parts, "test", trained=trained) == {
        "trained on what is asked": "1 model learned from the test part itself: 'refitted' "
        "(train without --refit)"
    }
    assert leaks(parts, "valid", trained=trained) == {
        "trained on what is asked": "2 models learned from the valid part itself: "
        "'usual', 'refitted' (train with --tune)"
    }


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
    for usual in (split(log_of(DIARY), "last:1"), split(log_of(rows), "groups:-2h")):
        small = named(audit(usual, "test", repeats=True))  # of two groups, each has one
        assert not {"more held out than trained on", "one user decides"} & small.keys()


def test_leaks_come_first_and_are_refused_in_one_line_unless_allowed():
    parts = moved(split(log_of(DIARY), "last:2"), TEST, "i10a")
    found = audit(parts, "test", repeats=True, trained={"als": TEST + 1})
    assert [each.kind for each in found[:3]] == ["leak", "leak", "note"]
    with pytest.raises(
        DataError, match=r"found 2 leaks: .*itself: 'als'.*--leaks report"
    ) as raised:
        hold(found, allow=False)
    assert "\n" not in str(raised.value)
    hold(found, allow=True)
    hold([each for each in found if each.kind == "note"], allow=False)


def test_duplicates_and_tables_of_a_later_time_are_looked_for():
    rows = [*DIARY, ("u0", "milk", 30, "m"), ("u0", "milk", 30, "m")]
    events = log_of(rows).interactions
    late = Catalogue(events.items, pa.table({"date": np.full(41, "2030-01-01", "M8[D]")}))
    found = leaks(split(Log(events, late), "last:1"), features={"item2vec": ("date",)})
    assert found.keys() == {"duplicates over the border", "the item table is of a later time"}


def test_no_finding_names_a_user():
    rows = [(f"secret{user}", *rest) for user, *rest in DIARY]
    for rule in ("last:1", "time:-6h"):
        parts = moved(split(log_of(rows), rule), TRAIN, "i34a")
        found = audit(moved(parts, TEST, "i10a"), "test", repeats=True, trained={"als": TEST + 1})
        assert len(found) > 2
        assert not [each for each in found if "secret" in each.text]


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="no valid part"):
        audit(split(log_of(DIARY), "last:1"), "valid", repeats=True)


def test_a_setting_that_was_searched_with_another_test_part_is_a_leak():
    parts = split(log_of(DIARY), "last:1", "last:1")
    same = {"data": "x", "test": "last:1", "valid": "last:1", "split_seed": 0}
    clean = audit(parts, "test", repeats=True, tuned={"als": same})
    assert not [each for each in clean if each.name == "setting chosen on what is asked"]
    for other in ({"test": "last:2"}, {"split_seed": 1}):
        tuned = {"als": same, "item2vec": {**same, **other}}
        (found,) = (
            each
            for each in audit(parts, "test", repeats=True, tuned=tuned)
            if each.name == "setting chosen on what is asked"
        )
        assert found.kind == "leak"
        assert "'item2vec'" in found.text
        assert "als" not in found.text


def test_models_that_saw_different_parts_are_told_apart():
    parts = split(log_of(DIARY), "last:1", "last:1")

    def told(**trained):
        found = audit(parts, "test", repeats=True, trained=trained)
        return [each for each in found if each.name == "trained on different parts"]

    assert told(als=2, knn=2) == told(als=1) == told() == []
    (found,) = told(als=2, knn=1, ease=1)
    assert found.kind == "note"
    assert found.text.startswith("'knn', 'ease' learned from fewer parts than the others")


def test_a_point_in_time_is_the_same_with_every_seed():
    parts = split(log_of(DIARY), "time:0.2")
    tuned = {"als": {"data": "x", "test": "time:0.2", "valid": "time:0.2", "split_seed": 1}}
    found = audit(parts, "test", repeats=True, tuned=tuned)
    assert not [each for each in found if each.name == "setting chosen on what is asked"]


def test_a_setting_flatters_on_the_part_it_was_chosen_on():
    parts = split(log_of(DIARY), "last:1", "last:1")
    cut = {"data": "x", "test": "last:1", "valid": "last:1", "split_seed": 0}
    (found,) = (
        each
        for each in audit(parts, "valid", repeats=True, tuned={"als": cut})
        if each.name == "setting chosen on what is asked"
    )
    assert found.kind == "note"


def test_a_model_flatters_on_the_part_that_chose_when_its_training_ended():
    parts = split(log_of(DIARY), "last:1", "last:1")

    def told(on, *watched):
        found = audit(parts, on, repeats=True, watched=watched)
        return [each for each in found if each.name == "training ended by what is asked"]

    assert told("test", "als") == told("valid") == []
    (found,) = told("valid", "als")
    assert found.kind == "note"
    assert found.text == "the valid part chose when training of 'als' ended: its figure flatters"


def test_a_tuned_model_beside_one_that_is_not_is_told():
    parts = split(log_of(DIARY), "last:1", "last:1")
    cut = {"data": "x", "test": "last:1", "valid": "last:1", "split_seed": 0}
    trained = {"als": TEST, "item2vec": TEST}

    def told(*names):
        tuned = dict.fromkeys(names, cut)
        findings = audit(parts, "test", repeats=True, trained=trained, tuned=tuned)
        return [each.text for each in findings if each.name == "not tuned alike"]

    assert told() == told("als", "item2vec") == []
    (text,) = told("als")
    assert text.startswith("a search chose the setting of 'als', none that of 'item2vec'")
