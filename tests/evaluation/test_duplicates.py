"""Events on both sides of a border, where each of them can be told from a habit."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import TEST, TRAIN, VALID, split
from recembed.evaluation.border import Border
from recembed.evaluation.duplicates import duplicates


def log_of(events, *, order="time", times=True, groups=True):
    """(user, item, time, basket) each."""
    user, item, time, group = zip(*events, strict=True)
    time = np.array(time, np.int64)
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


def given_parts(log, part):
    """The split whose parts are in the log itself."""
    events = replace(log.interactions, part=np.asarray(part, np.uint8))
    return split(replace(log, interactions=events), "given", "given" if VALID in part else None)


def found(parts, on="test", *, repeats=True):
    """The kind and text of the finding, ("", "0") where there is none."""
    findings = [*duplicates(Border.of(parts, on), repeats)]
    assert len(findings) <= 1
    return (findings[0].kind, findings[0].text) if findings else ("", "0")


# Ann buys milk twice in one purchase, Bob on two days; each has one event held out.
TWINS = [
    ("ann", "eggs", 0, 0),
    ("ann", "milk", 9, 1),
    ("ann", "milk", 9, 1),
    ("bob", "milk", 5, 2),
    ("bob", "milk", 9, 3),
]


def test_lines_of_one_purchase_on_both_sides_are_a_leak_where_items_may_come_back():
    kind, text = found(split(log_of(TWINS), "last:1"))
    assert kind == "leak"
    assert text.startswith("1 held-out event of 1 user (50.00%) stood in training too; first items")
    assert "'milk'" in text


def test_the_same_lines_are_misses_where_items_may_not_come_back():
    kind, text = found(split(log_of(TWINS), "last:1"), repeats=False)
    assert kind == "note"
    assert text.endswith("misses for every model")


def test_without_times_the_same_basket_tells_twins():
    parts = split(log_of([*TWINS, *TWINS[3:]] * 2, times=False, order="position"), "last:1")
    assert found(parts)[0] == "leak"  # though training is full of habits
    apart = [(user, item, 0, at) for at, (user, item, *_) in enumerate([*TWINS, *TWINS[3:]] * 2)]
    assert found(split(log_of(apart, times=False, order="position"), "last:1")) == ("", "0")


@pytest.mark.parametrize(("copies", "kind"), [(10, "leak"), (2, ""), (0, "")])
def test_rows_copied_from_train_to_test_are_told_without_times_where_training_has_no_habits(
    copies, kind
):
    fresh = [(f"u{n % 20}", f"i{n}", 0, 0) for n in range(150)]
    rows = [*fresh, *fresh[:copies]]
    log = log_of(rows, order=None, times=False, groups=False)
    events = log.interactions
    item = events.items.ids.take(pa.array(events.rows)).to_pylist()
    later = {f"i{n}" for n in range(100, 150)}
    part = [TEST if name in later or name in item[:at] else TRAIN for at, name in enumerate(item)]
    parts = given_parts(log, part)
    assert found(parts)[0] == kind
    assert found(parts, repeats=False)[0] == ("note" if copies else "")
    if kind:
        assert f"{copies} held-out events" in found(parts)[1]
        assert f"({copies / (50 + copies):.2%})" in found(parts)[1]


def test_habits_without_times_are_no_duplicates():
    rows = [(f"u{n % 9}", f"i{n % 7}", 0, n) for n in range(200)]
    parts = split(log_of(rows, order="position", times=False, groups=False), "last:3")
    assert found(parts) == ("", "0")
    assert found(parts, repeats=False)[0] == "note"


@given(
    st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=3, max_size=30),
    st.lists(st.sampled_from([TRAIN, VALID, TEST]), min_size=30, max_size=30),
)
def test_duplicates_agree_with_a_slow_version(drawn, codes):
    log = log_of([(f"u{u}", f"i{i}", t, f"{u}-{g}") for u, i, t, g in drawn])
    events, part = log.interactions, codes[: len(drawn)]
    assume({TRAIN, VALID, TEST} <= set(part))
    parts = given_parts(log, part)
    keys = list(zip(events.events.owners(), events.rows, events.time, events.group, strict=True))
    for on, code in (("valid", VALID), ("test", TEST)):
        before = {key for key, at in zip(keys, part, strict=True) if at < code}
        twins = sum(key in before for key, at in zip(keys, part, strict=True) if at == code)
        assert int(found(parts, on)[1].split()[0]) == twins
