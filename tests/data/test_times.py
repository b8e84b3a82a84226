from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recembed.data.times import parse_times
from recembed.errors import DataError

NOON = 1_577_880_000  # 2020-01-01 12:00 UTC


def parsed(values, kind=None):
    column = pa.chunked_array([pa.array(values, kind)])
    return parse_times(column, "time", lambda row: f"row {row}")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([NOON], None),
        ([NOON], pa.int32()),
        ([NOON + 0.75], None),
        ([NOON * 1000 + 999], None),
        ([NOON * 10**6], None),
        ([NOON * 10**9 + 1], None),
        ([NOON * 1e3], None),
        ([NOON], pa.timestamp("s")),
        ([NOON * 1000], pa.timestamp("ms", "Europe/Berlin")),
        ([NOON * 10**9 + 5], pa.timestamp("ns")),
        (["2020-01-01 12:00:00"], None),
        (["2020-01-01T12:00:00.123456789"], None),
        (["2020-01-01T12:00:00Z"], None),
        (["2020-01-01T13:00:00+01:00"], pa.large_string()),
        ([str(NOON)], None),
        ([f"{NOON}.5"], None),
        (["2020-01-01T12:00:00Z", "2020-01-01 12:00"], None),
        (["20200101T120000"], None),
    ],
)
def test_every_spelling_of_noon_is_noon(values, kind):
    assert set(parsed(values, kind)[1].tolist()) == {NOON}


def test_dates_are_midnight():
    days = pa.array([18262], pa.int32()).cast(pa.date32())
    assert parsed(days)[1].tolist() == [NOON - 12 * 3600]
    assert parsed(["2020-01-01"])[1].tolist() == [NOON - 12 * 3600]


def test_times_before_1970_round_down():
    assert parsed([-0.5])[1].tolist() == [-1]
    assert parsed([-1], pa.timestamp("ms"))[1].tolist() == [-1]


@pytest.mark.parametrize(
    "values",
    [
        [5.75, 5.5, 5.25],
        ["2020-01-01T00:00:00.3", "2020-01-01T00:00:00.2"],
        [NOON * 1e3 + 2, NOON * 1e3],
    ],
)
def test_the_sort_key_is_finer_than_seconds(values):
    key, seconds = parsed(values)
    assert len(set(seconds.tolist())) == 1
    assert (np.diff(key) < 0).all()


@given(st.lists(st.floats(0, 1e10), min_size=2))
def test_the_sort_key_orders_as_the_values_do(values):
    key, seconds = parsed(values, pa.float64())
    order = np.argsort(values, kind="stable")
    assert (np.diff(key[order]) >= 0).all()
    assert seconds.tolist() == [int(value) for value in values]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_iso_dates_are_what_datetime_says(at):
    seconds = int(at.replace(microsecond=0, tzinfo=UTC).timestamp())
    assert parsed([at.isoformat()])[1].tolist() == [seconds]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [NOON, NOON * 1000],
            r"mixes units of time: 1577880000 at row 0 and 1577880000000 at row 1",
        ),
        ([1, None], "1 of 2 times are missing in column 'time', first at row 1"),
        ([1.0, float("nan")], "1 of 2 times are missing"),
        (["1", ""], "1 of 2 times are missing"),
        (["5", "6", "soon"], "row 2: time 'soon' is not a number or ISO date"),
        (["2020-01-01", "5"], "row 1: time '5' is a number, but others are dates"),
        ([True], "is bool: a time is"),
        (["1e300", "1e301"], r"row 1: time 1e\+301 is no time: it is beyond 64 bits"),
        (np.array([5, 2**63 + 8], np.uint64), "row 1: time 9223372036854775816 is no time"),
        ([[1]], "a time is"),
    ],
)
def test_what_is_no_time_is_named(values, message):
    with pytest.raises(DataError, match=message):
        parsed(values)
