"""Groups of cases and targets, from histories, popularity and columns."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import split
from recembed.errors import DataError
from recembed.evaluation.cases import cases
from recembed.evaluation.slices import divisions

# Users u0..u5 touch item 0, then 1, 2, ... up to their own number + 1; the last is held out.
LENGTHS = (1, 2, 3, 4, 5, 6)
KINDS = [["a"], ["a", "b"], ["b"], None, ["c"], [], ["a"]]


def log(users=None, **items):
    rows = [(f"u{user}", item, item) for user, n in enumerate(LENGTHS) for item in range(n + 1)]
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    events = build(pa.array(user), pa.array(item), sort_key=time, time=time, order="time")
    table = Catalogue(events.items, pa.table(items)) if items else None
    people = Catalogue(events.users, pa.table(users)) if users else None
    return Log(events, table, people)


def divided(of, *columns):
    asked = cases(split(of, "last:1"))
    return asked, {each.by: each for each in divisions(asked, of, columns)}


def test_history_lengths_fall_into_their_groups():
    asked, found = divided(log())
    groups = found["history length"].groups
    assert asked.history_sizes.tolist() == list(LENGTHS)
    assert groups["0"].sum() == 0
    assert groups["1-4"].tolist() == [True] * 4 + [False] * 2
    assert groups["5-9"].tolist() == [False] * 4 + [True] * 2
    assert sum(group.astype(int) for group in groups.values()).tolist() == [1] * 6


def test_targets_are_grouped_by_the_events_of_their_items():
    # Trained on: item 0 six times, then 5, 4, 3, 2, 1 times; item 6 never. 21 events: the head are
    # items before which less than 7 lie (0, 1), the middle less than 14 (2), the tail the rest.
    _, found = divided(log())
    groups = found["popularity of the item"].groups
    assert {label: np.flatnonzero(mask).tolist() for label, mask in groups.items()} == {
        "head": [0],
        "middle": [1],
        "tail": [2, 3, 4],
        "never trained on": [5],
    }


def test_a_list_column_puts_a_target_into_each_of_its_values():
    _, found = divided(log(kind=KINDS), "kind")
    groups = found["item kind"].groups
    assert {label: np.flatnonzero(mask).tolist() for label, mask in groups.items()} == {
        "a": [0, 5],  # targets are items 1..6
        "b": [0, 1],
        "c": [3],
    }


def test_a_column_of_many_numbers_is_cut_into_quarters():
    years = [1990, 1991, 1992, 1993, 1994, 1995, None]
    of = log(year=years)
    asked = cases(split(of, "last:1"))
    many = replace(of, items=Catalogue(of.interactions.items, pa.table({"year": years})))
    (found,) = (each for each in divisions(asked, many, ["year"]) if each.by == "item year")
    assert list(found.groups) == ["1991", "1992", "1993", "1994", "1995"]  # few: each its own
    numbers = {"age": list(range(20, 20 + len(LENGTHS)))}
    _, grouped = divided(log(users=numbers), "user:age")
    assert (
        sum(group.astype(int) for group in grouped["user age"].groups.values()).tolist() == [1] * 6
    )


def test_numbers_beyond_a_dozen_become_quarters():
    n = 40
    time = np.arange(2 * n)
    user = np.repeat(np.arange(n), 2)
    events = build(pa.array(user), pa.array(time % 2), sort_key=time, time=time, order="time")
    of = Log(events, None, Catalogue(events.users, pa.table({"age": np.arange(n) * 1.5})))
    asked = cases(split(of, "last:1"))
    groups = next(each for each in divisions(asked, of, ["age"]) if each.by == "user age").groups
    assert list(groups) == ["0 to 13.5", "15 to 28.5", "30 to 43.5", "45 to 58.5"]
    assert [int(mask.sum()) for mask in groups.values()] == [10, 10, 10, 10]


def by_user(ages):
    """Groups of users by a column that has one value each."""
    n = len(ages)
    time = np.arange(2 * n)
    user = np.repeat(np.arange(n), 2)
    events = build(pa.array(user), pa.array(time % 2), sort_key=time, time=time, order="time")
    of = Log(events, None, Catalogue(events.users, pa.table({"age": ages})))
    asked = cases(split(of, "last:1"))
    return next(each for each in divisions(asked, of, ["age"]) if each.by == "user age").groups


def test_large_numbers_that_begin_alike_are_in_quarters_of_their_own():
    groups = by_user(1_500_000_000 + np.arange(16))
    assert list(groups)[:2] == ["1500000000 to 1500000003", "1500000004 to 1500000007"]
    assert [int(mask.sum()) for mask in groups.values()] == [4, 4, 4, 4]


def test_dates_are_cut_into_quarters_as_numbers_are():
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(40)]
    found = by_user(pa.array(days))
    assert list(found) == [
        "2024-01-01 to 2024-01-10",
        "2024-01-11 to 2024-01-20",
        "2024-01-21 to 2024-01-30",
        "2024-01-31 to 2024-02-09",
    ]
    moments = by_user(pa.array([datetime(2024, 1, day) for day in range(1, 29)]))
    assert [int(mask.sum()) for mask in moments.values()] == [7, 7, 7, 7]


def test_what_is_no_number_is_in_no_group():
    few = by_user([1.0, np.nan, 2.0, np.nan, np.inf, None, 2.0, 1.0])
    assert {label: np.flatnonzero(mask).tolist() for label, mask in few.items()} == {
        "1.0": [0, 7],
        "2.0": [2, 6],
    }
    many = by_user([float(i) if i % 2 else np.nan for i in range(40)])
    assert list(many) == ["1 to 9", "11 to 19", "21 to 29", "31 to 39"]
    assert sum(mask.astype(int) for mask in many.values()).tolist() == [0, 1] * 20


def test_a_value_that_is_called_others_keeps_its_group():
    groups = by_user(["9 others"] * 6 + [f"c{i}" for i in range(19)] * 2)
    assert groups["9 others"].sum() == 6
    assert groups["all 9 others"].sum() == 18


def test_a_column_of_parts_is_refused():
    with pytest.raises(DataError, match="column 'age' holds struct<a: int64>, no groups"):
        by_user(pa.array([{"a": i} for i in range(4)]))


def test_rare_values_are_one_group():
    n = 48
    time = np.arange(2 * n)
    user = np.repeat(np.arange(n), 2)
    events = build(pa.array(user), pa.array(time % 2), sort_key=time, time=time, order="time")
    city = ["big"] * 12 + [f"c{i}" for i in range(18)] * 2
    of = Log(events, None, Catalogue(events.users, pa.table({"city": city})))
    asked = cases(split(of, "last:1"))
    groups = next(each for each in divisions(asked, of, ["city"]) if each.by == "user city").groups
    assert len(groups) == 12
    assert next(iter(groups)) == "big"
    assert groups["8 others"].sum() == 16


def test_what_a_single_user_has_is_never_told():
    mails = [f"{name}@example.org" for name in "abcdef"]
    _, found = divided(log(users={"mail": mails}), "mail")
    assert {label: int(mask.sum()) for label, mask in found["user mail"].groups.items()} == {
        "6 others": 6
    }
    _, found = divided(log(users={"town": ["x", "x", "y", "z", "x", "z"]}), "town")
    assert {label: mask.tolist() for label, mask in found["user town"].groups.items()} == {
        "x": [True, True, False, False, True, False],
        "z": [False, False, False, True, False, True],
        "1 others": [False, False, True, False, False, False],
    }


@pytest.mark.parametrize(
    ("column", "match"),
    [
        ("kinds", "no column 'kinds' to slice by; there is item:kind, user:kind"),
        ("kind", "both tables have a column 'kind': say item:kind or user:kind"),
        ("item:empty", "no column 'item:empty'"),
    ],
)
def test_a_column_that_is_not_there_is_refused(column, match):
    with pytest.raises(DataError, match=match):
        divided(log(users={"kind": ["x"] * 6}, kind=KINDS), column)


def test_a_column_without_values_is_refused():
    nothing = pa.array([None] * 7, pa.string())
    with pytest.raises(DataError, match="no target has a value in column 'shade'"):
        divided(log(shade=nothing), "shade")


def test_no_table_no_column():
    with pytest.raises(DataError, match="no table of items or users"):
        divided(log(), "kind")
