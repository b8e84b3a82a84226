"""Tables of items and users that tell of a time after the border."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from recembed.arrays import Mask, Times
from recembed.data.catalogue import Catalogue
from recembed.data.log import Log
from recembed.data.times import parse_times
from recembed.errors import DataError, first, many
from recembed.evaluation.border import Border, date
from recembed.report.document import Finding

DATED = re.compile("date|time|created|modified", re.IGNORECASE)  # "updated" has a date in it
YEARS = (10**8, 10**10)  # Unix seconds of 1973 and 2286: smaller numbers are counts or 20171201
NEVER = np.iinfo(np.int64).min


def of_later(border: Border, log: Log, features: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Rows of trained items or users that are dated after all that may be known.

    A table that has them was written after the border, all its columns: a leak where a model reads
    one of them. features: model -> the columns it reads.
    """
    times = border.events.time
    if times is None:
        return
    known = max(times[border.fitted].max(), times[border.held].min() - 1)
    for name, table, rows in (
        ("item", log.items, border.events.rows),
        ("user", log.users, border.owner),
    ):
        if table is None:
            continue
        trained = np.bincount(rows[border.fitted], minlength=len(table.ids)) > 0
        late = {
            column: late
            for column, seconds in _dates(table).items()
            if (late := trained & (seconds > known)).any()
        }
        if late:
            told = f"dated after {date(known)} by column {first(list(late))}"
            reading = [
                each for each, used in features.items() if {*used} & {*table.table.column_names}
            ]
            yield _finding(name, table, np.logical_or.reduce([*late.values()]), told, reading)


def _finding(name: str, table: Catalogue, late: Mask, told: str, reading: Sequence[str]) -> Finding:
    rows = np.flatnonzero(late)
    shown = first([table.ids.id(int(row)) for row in rows[:4]])
    ids = f", first {shown}" if name == "item" else ""  # the ids of users are private
    use = f"{first(reading)} learned from" if reading else "no model learned from"
    text = f"{many(len(rows), f'trained {name}')} {told}{ids}; {use} this table"
    return Finding("leak" if reading else "note", f"the {name} table is of a later time", text)


def _dates(about: Catalogue) -> dict[str, Times]:
    """Unix seconds of each row in the columns that hold times, NEVER where a row has none."""
    found: dict[str, Times] = {}
    for name in about.table.column_names:
        column = about.column(name)
        dated = pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)
        if not dated and not (pa.types.is_integer(column.type) and DATED.search(name)):
            continue
        try:
            seconds = parse_times(column.drop_null(), name, str)[1]
        except DataError:  # numbers of all sizes are no times
            continue
        if dated or (
            YEARS[0] <= seconds.min(initial=YEARS[1]) and seconds.max(initial=0) <= YEARS[1]
        ):
            found[name] = np.full(len(about.ids), NEVER)
            found[name][np.asarray(column.is_valid())] = seconds
    return found
