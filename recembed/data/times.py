"""Times as people store them -> Unix seconds, and a key that sorts them at full precision.

Numbers are Unix seconds. Numbers that all lie in 1e11..1e14, 1e14..1e17 or above are milli-, micro-
or nanoseconds: as seconds they would lie beyond the year 5000. Text is a number or an ISO 8601
date; a date without a zone is UTC.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recembed.arrays import Times
from recembed.errors import DataError

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LIMITS = (0, 10**11, 10**14, 10**17)  # the smallest number read as s, ms, us, ns
LARGEST = 9.2e18  # what 64 bits can hold
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Where = Callable[[int], str]


def parse_times(
    column: pa.ChunkedArray, name: str, where: Where
) -> tuple[NDArray[np.int64], Times]:
    """A sort key and Unix seconds (rounded down) of each value, both int64 [n].

    where: says where a row stands, "line 17 of log.csv".

    Raises: DataError naming the first value that is missing or no time.
    """
    _check_missing(np.asarray(column.is_null()) if column.null_count else None, name, where)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return parse_times(column.cast(kind.value_type), name, where)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(column, name, where)
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(kind):
        values = column.cast(pa.int64()).to_numpy()
        return values, values // PER_SECOND[kind.unit]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(column, name, where)
    raise DataError(f"column {name!r} is {kind}: a time is a number, a timestamp or an ISO date")


def _check_missing(missing: NDArray[np.bool_] | None, name: str, where: Where) -> None:
    if missing is not None and missing.any():
        at = np.flatnonzero(missing)
        raise DataError(
            f"{len(at)} of {len(missing)} times are missing in column {name!r}, "
            f"first at {where(int(at[0]))}"
        )


def _numbers(column: pa.ChunkedArray, name: str, where: Where) -> tuple[NDArray[np.int64], Times]:
    if pa.types.is_integer(column.type):
        values = column.to_numpy()
        per_second = _per_second(values, name, where)
        key = values.astype(np.int64, copy=False)
        return key, key // per_second
    values = np.asarray(column.cast(pa.float64()), np.float64)
    _check_missing(~np.isfinite(values), name, where)
    seconds = values / _per_second(values, name, where)
    # nanoseconds: finer than float64 resolves today's times, and 64 bits reach the year 2262
    key = np.clip(seconds * 1e9, -LARGEST, LARGEST).astype(np.int64)
    return key, np.floor(seconds).astype(np.int64)


def _per_second(values: NDArray[np.generic], name: str, where: Where) -> int:
    """Units in a second, told from the size of all the numbers.

    Raises: DataError if they are of different units, or too large for times.
    """
    if not len(values):
        return 1
    size = np.abs(values.astype(np.float64))
    if size.max() > LARGEST:
        row = int(size.argmax())
        raise DataError(f"{where(row)}: {name} {values[row]} is no time: it is beyond 64 bits")
    smallest, largest = (
        np.searchsorted(LIMITS, x, side="right") - 1 for x in (size.min(), size.max())
    )
    if smallest != largest:
        low, high = int(size.argmin()), int(size.argmax())
        raise DataError(
            f"column {name!r} mixes units of time: {values[low]} at {where(low)} and "
            f"{values[high]} at {where(high)}"
        )
    return list(PER_SECOND.values())[int(largest)]


def _texts(column: pa.ChunkedArray, name: str, where: Where) -> tuple[NDArray[np.int64], Times]:
    _check_missing(np.asarray(pc.equal(pc.utf8_trim_whitespace(column), "")), name, where)
    kinds = [pa.int64(), pa.float64()]
    kinds += [pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("ns", "us")]
    for kind in kinds:
        try:
            return parse_times(column.cast(kind), name, where)
        except pa.ArrowInvalid:
            continue
    return _mixed(column, name, where)


def _mixed(column: pa.ChunkedArray, name: str, where: Where) -> tuple[NDArray[np.int64], Times]:
    """One by one, for ISO dates of which only some have a zone, and to name what is no time."""
    texts = column.to_pylist()
    dates = [_iso(text) for text in texts]
    wrong = [row for row, date in enumerate(dates) if date is None]
    neither = [row for row in wrong if not _is_number(texts[row])]
    if neither:
        row = neither[0]
        raise DataError(f"{where(row)}: {name} {texts[row]!r} is not a number or ISO date")
    if wrong:
        row = wrong[0]
        raise DataError(f"{where(row)}: {name} {texts[row]!r} is a number, but others are dates")
    key = np.array(dates, np.int64)
    return key, key // PER_SECOND["us"]


def _iso(text: str) -> int | None:
    """Unix microseconds of an ISO date."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    utc = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (utc - EPOCH) // timedelta(microseconds=1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
