"""Tables with planted dates, on both sides of the border."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from recembed.data.catalogue import Catalogue
from recembed.data.interactions import build
from recembed.data.log import Log
from recembed.data.split import split
from recembed.evaluation.border import Border
from recembed.evaluation.side_tables import of_later

DAY = 86_400
START = 20_000  # days since 1970
BORDER = START + 6  # its first second is held out, and all after it

# Two users; item n is bought on day n, but items 6 to 9 are sold after the border only.
EVENTS = [(f"secret{user}", f"i{day}", START + day) for user in range(2) for day in range(10)]


def parts_with(of="items", **columns):
    """The log cut at the border, with a table of these columns."""
    user, item, day = zip(*EVENTS, strict=True)
    time = np.array(day, np.int64) * DAY
    events = build(pa.array(user), pa.array(item), sort_key=time, time=time, order="time")
    about = Catalogue(getattr(events, of), pa.table(columns))
    return split(replace(Log(events), **{of: about}), f"time:{np.datetime64(BORDER, 'D')}")


def found(parts, **features):
    """Kind, name and text of each finding."""
    findings = of_later(Border.of(parts, "test"), parts.log, features)
    return [(each.kind, each.name, each.text) for each in findings]


def days(*late, at=BORDER, n=10):
    """The day before all events, but `at` in the rows named."""
    return np.where(np.isin(np.arange(n), late), at, START - 1)


@pytest.mark.parametrize("kind", ["date", "timestamp", "zoned", "seconds", "milliseconds"])
def test_rows_dated_after_the_border_are_a_leak_where_a_model_reads_the_table(kind):
    when = days(0, 3, 8)  # item 8 was never trained on: it may be new
    column = {
        "date": pa.array(when.astype("M8[D]")),
        "timestamp": pa.array((when * DAY).astype("M8[s]")),
        "zoned": pa.array((when * DAY).astype("M8[s]"), pa.timestamp("s", "UTC")),
        "seconds": pa.array(when * DAY),
        "milliseconds": pa.array(when * DAY * 1000),
    }[kind]
    parts = parts_with(colour=pa.array(["red"] * 10), updated_at=column)
    assert found(parts, popularity=(), item2vec=("colour",)) == [
        (
            "leak",
            "the item table is of a later time",
            "2 trained items dated after 2024-10-09T23:59:59 by column 'updated_at', first 'i0', "
            "'i3'; 'item2vec' learned from this table",
        )
    ]
    ((note, _, text),) = found(parts, popularity=(), other=("of the user table",))
    assert note == "note"
    assert text.endswith("no model learned from this table")


def test_users_of_a_later_time_are_counted_and_never_named():
    parts = parts_with("users", town=pa.array(["x", "y"]), since=days(1, n=2).astype("M8[D]"))
    ((kind, name, text),) = found(parts, two_tower=("town",))
    assert (kind, name) == ("leak", "the user table is of a later time")
    assert text.startswith("1 trained user dated after")
    assert "secret" not in text


@pytest.mark.parametrize(
    "columns",
    [
        {"released": days(6, 9).astype("M8[D]")},  # only after the border there are events of them
        {"updated": days(0) * DAY - np.array([1] + [0] * 9)},  # the second before the border
        {"updates": np.where(days(0) == BORDER, 10**9, 3)},  # counts, of all sizes
        {"date": np.full(10, 20_300_101)},  # years, months and days are no seconds
        {"price": days(0) * DAY},
        {"title": pa.array(["2099-01-01"] * 10)},
        {"seen_date": pa.nulls(10, pa.date32())},
        {"time": pa.nulls(10, pa.int64())},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_what_is_of_its_time_or_no_time_is_no_finding(columns):
    assert found(parts_with(**columns), item2vec=tuple(columns)) == []


def test_without_times_in_the_log_there_is_no_border_to_compare_with():
    parts = parts_with(updated=days(0).astype("M8[D]"))
    events = replace(parts.log.interactions, time=None, order="position")
    bare = replace(parts.log, interactions=events)
    assert found(split(bare, "last:1"), item2vec=("updated",)) == []


def test_in_a_log_that_counts_from_zero_large_counts_are_no_dates():
    parts = parts_with(updates=np.full(10, 5000), date=days(0) * DAY)
    events = parts.log.interactions
    small = replace(parts.log, interactions=replace(events, time=events.time // DAY - START))
    ((_, _, text),) = found(split(small, "time:0.4"), item2vec=("updates",))
    assert "by column 'date'" in text
