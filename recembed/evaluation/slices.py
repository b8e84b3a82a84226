"""Cases and targets in groups: for whom does a model work, and for what?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows
from recembed.data.catalogue import Catalogue
from recembed.data.log import Log
from recembed.errors import DataError
from recembed.evaluation.cases import Cases

LENGTHS = (0, 1, 5, 10, 20, 50, 100, 500)  # where groups of history lengths begin
HEAD, TAIL = 1 / 3, 2 / 3  # of the training events, items sorted by popularity
MOST = 12  # groups of one column: the rest is one of them
QUARTERS = np.array([0.25, 0.5, 0.75])


@dataclass(frozen=True, eq=False)
class Division:
    """Named groups of cases, or of targets: one mask [n_cases] or [n_targets] a label."""

    by: str
    of: Literal["cases", "targets"]
    groups: dict[str, Mask]


def popularity_place(events: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of all events that belong to more popular items, [n_items]: 0 is the most popular."""
    order = np.argsort(-events, kind="stable")
    before = np.empty(len(events))
    before[order] = np.cumsum(events[order]) - events[order]
    return before / max(int(events.sum()), 1)


def divisions(cases: Cases, log: Log, columns: Sequence[str] = ()) -> list[Division]:
    """The divisions that every report has, and one for each column named.

    columns: "item:COLUMN", "user:COLUMN", or a COLUMN that only one of the tables has. A value that
    a single user has (a mail address, say) is never told: it is one of the others.

    Raises: DataError if a table has no such column, or no case has a value in it.
    """
    return [
        _history_length(cases),
        _item_popularity(cases),
        _warmth(cases),
        *(_by_column(cases, log, name) for name in dict.fromkeys(columns)),
    ]


def _history_length(cases: Cases) -> Division:
    sizes = cases.history_sizes
    ends = (*LENGTHS[1:], np.iinfo(np.int64).max)
    groups = {}
    for low, high in zip(LENGTHS, ends, strict=True):
        last = f"{low}" if high == low + 1 else f"{low}-{high - 1}"
        name = last if high < ends[-1] else f"{low} and more"
        groups[name] = (sizes >= low) & (sizes < high)
    return Division("history length", "cases", groups)


def _item_popularity(cases: Cases) -> Division:
    share = popularity_place(cases.events)[cases.targets.values]
    cold = cases.events[cases.targets.values] == 0
    return Division(
        "popularity of the item",
        "targets",
        {
            "head": ~cold & (share < HEAD),
            "middle": ~cold & (share >= HEAD) & (share < TAIL),
            "tail": ~cold & (share >= TAIL),
            "never trained on": cold,
        },
    )


def _warmth(cases: Cases) -> Division:
    cold = cases.history_sizes == 0
    return Division("user", "cases", {"warm": ~cold, "cold (nothing in the history)": cold})


def _by_column(cases: Cases, log: Log, name: str) -> Division:
    side, column, values = _column(log, name)
    of: Literal["cases", "targets"] = "targets" if side == "item" else "cases"
    rows = cases.targets.values if side == "item" else cases.owner
    try:
        groups = _groups(values, rows, private=side == "user")
    except pa.ArrowNotImplementedError as error:
        kind = values.type
        raise DataError(f"column {column!r} holds {kind}, no groups: slice by another") from error
    if not groups:
        raise DataError(f"no {of[:-1]} has a value in column {column!r}: name another to slice by")
    return Division(f"{side} {column}", of, groups)


def _column(log: Log, name: str) -> tuple[str, str, pa.ChunkedArray]:
    """Which table has the column, its name there, and its values."""
    both: dict[str, Catalogue | None] = {"item": log.items, "user": log.users}
    tables = {one: table.table for one, table in both.items() if table}
    side, colon, column = name.partition(":")
    if colon and side in both:
        tables = {one: table for one, table in tables.items() if one == side}
    else:
        column = name
    found = [one for one, table in tables.items() if column in table.column_names]
    if len(found) == 1:
        return found[0], column, tables[found[0]].column(column)
    if found:
        raise DataError(f"both tables have a column {column!r}: say item:{column} or user:{column}")
    known = [f"{one}:{each}" for one, table in tables.items() for each in table.column_names]
    there = ", ".join(known) or "no table of items or users"
    raise DataError(f"no column {name!r} to slice by; there is {there}")


def _groups(column: pa.ChunkedArray, rows: Rows, *, private: bool) -> dict[str, Mask]:
    """Groups of what the rows have in a column. private: no group is a single row's value."""
    values: Any = column.combine_chunks().take(pa.array(rows))
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_finite(values), values, None)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        owner = np.asarray(pc.list_parent_indices(values), np.int64)
        return _named(pc.list_flatten(values), owner, rows, private)
    if _ordered(values.type) and pc.count_distinct(values).as_py() > MOST:
        return _quarters(values)
    return _named(values, np.arange(len(rows)), rows, private)


def _ordered(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(number or pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _named(
    values: pa.Array, owner: NDArray[np.int64], rows: Rows, private: bool
) -> dict[str, Mask]:
    """The most frequent values, the others together; what has no value is in no group."""
    there = np.asarray(values.is_valid())
    encoded = values.filter(pa.array(there)).dictionary_encode()
    codes, owner = np.asarray(encoded.indices), owner[there]
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    pairs = np.unique(np.stack([codes, rows[owner]]), axis=1)
    shared = np.bincount(pairs[0], minlength=len(names)) >= (2 if private else 1)
    order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    order = order[shared[order]]
    chosen = order if len(names) <= MOST else order[: MOST - 1]
    groups = {names[code]: _mask(owner[codes == code], len(rows)) for code in chosen}
    rest = len(names) - len(chosen)
    if rest:
        label = f"{rest} others"
        while label in groups:
            label = f"all {label}"
        groups[label] = _mask(owner[~np.isin(codes, chosen)], len(rows))
    return groups


def _quarters(values: pa.Array) -> dict[str, Mask]:
    """As many values in each as can be, numbers and dates alike."""
    there = np.asarray(values.is_valid())
    known = values.drop_null().to_numpy(zero_copy_only=False)
    ends = (QUARTERS * (len(known) - 1)).astype(np.int64)
    bounds = np.unique(np.sort(known)[ends])
    place = np.full(len(there), -1)
    place[there] = np.searchsorted(bounds, known, side="left")
    groups = {}
    for i in range(len(bounds) + 1):
        own = known[place[there] == i]
        if len(own):
            low, high = (f"{end}".removesuffix(".0") for end in (own.min(), own.max()))
            groups[f"{low} to {high}"] = place == i
    return groups


def _mask(at: NDArray[np.int64], n: int) -> Mask:
    mask = np.zeros(n, np.bool_)
    mask[at] = True
    return mask
