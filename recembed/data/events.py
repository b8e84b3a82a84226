"""The columns of a log, read and checked: ids, times, positions, weights, groups, parts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.arrays import Times, Vectors
from recembed.data.columns import PART_NAMES, Columns
from recembed.data.files import Table
from recembed.data.ids import IdColumn
from recembed.data.interactions import PARTS, Interactions, Order, build
from recembed.data.times import parse_times
from recembed.errors import DataError, EmptyLog

LARGEST = 1e30  # sums of such weights still fit into float32


@dataclass(frozen=True, eq=False)
class Events:
    """A log's columns in file order, [n] each. sort_key orders finer than time in seconds."""

    user: IdColumn
    item: IdColumn
    group: IdColumn | None
    sort_key: NDArray[np.int64] | None
    time: Times | None
    weight: Vectors | None
    part: NDArray[np.uint8] | None
    order: Order

    @classmethod
    def read(cls, table: Table, named: Columns) -> "Events":
        """The columns that `named` names.

        Raises: DataError naming the line of the first value that is missing or wrong.
        """
        user, item = str(named.user), str(named.item)
        data = table.read(named.read(), [name for name in (user, item, named.group) if name])
        if not data.num_rows:
            raise EmptyLog(f"{table.name} has no rows: a log needs events")
        users, items = (
            IdColumn.of(table, data, name, role) for name, role in ((user, "user"), (item, "item"))
        )
        groups = IdColumn.of(table, data, named.group, "group") if named.group else None
        with ThreadPoolExecutor() as beside:  # Arrow reads the numbers of a text file meanwhile
            beside.map(lambda column: column.ids, [each for each in (users, items, groups) if each])
            sort_key, time, order = _when(table, data, named)
        return cls(
            users,
            items,
            groups,
            sort_key,
            time,
            _numbers(table, data, named.weight).astype(np.float32) if named.weight else None,
            _parts(table, data, named.part) if named.part else None,
            order,
        )

    def build(self, user_ids: pa.ChunkedArray, item_ids: pa.ChunkedArray) -> Interactions:
        """The interactions, with user and item ids of the type that the tables beside agreed on."""
        return build(
            user_ids,
            item_ids,
            sort_key=self.sort_key,
            time=self.time,
            weight=self.weight,
            group_ids=self.group.ids if self.group else None,
            part=self.part,
            order=self.order,
        )


def _when(
    table: Table, data: pa.Table, named: Columns
) -> tuple[NDArray[np.int64] | None, Times | None, Order]:
    """What sorts the events, Unix seconds, and what the order is worth."""
    position = _positions(table, data, named.position) if named.position else None
    if named.time is None:
        return position, None, "position" if named.position else None
    sort_key, time = parse_times(data.column(named.time), named.time, table.where)
    if position is not None:  # it breaks the ties of the time
        ranks = _ranks(position)
        sort_key = _ranks(sort_key) * (int(ranks.max()) + 1) + ranks
    return sort_key, time, "time"


def _positions(table: Table, data: pa.Table, name: str) -> NDArray[np.int64]:
    column = data.column(name)
    if pa.types.is_integer(column.type) and not column.null_count:
        return np.asarray(column, np.int64)
    return _ranks(_numbers(table, data, name))


def _ranks(values: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)


def _numbers(table: Table, data: pa.Table, name: str) -> NDArray[np.float64]:
    column = data.column(name)
    try:
        values = np.asarray(column.cast(pa.float64()), np.float64)
    except pa.ArrowException:
        values = np.array([_number(value) for value in column.to_pylist()], np.float64)
    wrong = np.flatnonzero(~(np.abs(values) <= LARGEST))  # NaN too
    if len(wrong):
        at = int(wrong[0])
        raise DataError(
            f"{table.where(at)}: {name} {column[at].as_py()!r} is not a number "
            f"up to {LARGEST:.0e} (nor are {len(wrong) - 1} others of {len(values)})"
        )
    return values


def _parts(table: Table, data: pa.Table, name: str) -> NDArray[np.uint8]:
    """The code of each event's part.

    Raises: DataError naming the line of the first value that is no part.
    """
    column = data.column(name)
    try:
        encoded = column.cast(pa.string()).combine_chunks().dictionary_encode("encode")
    except pa.ArrowException as error:
        raise DataError(f"{table.name}: {name} is {column.type}, not text (train, test)") from error
    words = encoded.dictionary.to_pylist()
    said = [PART_NAMES.get(str(word).strip().lower()) for word in words]
    wrong = [at for at, part in enumerate(said) if part is None]
    of = np.asarray(encoded.indices, np.int64)
    if wrong:
        rows = np.flatnonzero(np.isin(of, wrong))
        raise DataError(
            f"{table.where(int(rows[0]))}: {name} {words[of[rows[0]]]!r} is not one of "
            f"{', '.join(PART_NAMES)} (nor are {len(rows) - 1} others of {len(of)})"
        )
    return np.array([PARTS[part] for part in said if part], np.uint8)[of]


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
