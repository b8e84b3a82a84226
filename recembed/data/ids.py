"""Ids of a column, as what the user wrote: int where every one is a whole number, else text."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.data.files import Table
from recembed.errors import DataError, first


@dataclass(frozen=True, eq=False)
class IdColumn:
    """Ids of users or items in one table. raw: as they stand there, without missing ones."""

    raw: pa.ChunkedArray
    table: Table
    role: str
    column: str

    @classmethod
    def of(cls, table: Table, data: pa.Table, column: str, role: str) -> "IdColumn":
        """The ids in `column` of `data`, which was read from `table`.

        Raises: DataError if some are missing, or they are neither whole numbers nor text.
        """
        raw = data.column(column)
        if raw.null_count:
            at = int(np.flatnonzero(np.asarray(raw.is_null()))[0])
            raise DataError(
                f"{raw.null_count} of {len(raw)} {role} ids are missing in column {column!r}, "
                f"first at {table.where(at)}"
            )
        kind = _value_type(raw)
        if not (pa.types.is_integer(kind) or _is_text(kind)):
            raise DataError(
                f"{role} ids in column {column!r} of {table.name} are {kind}, first: "
                f"{first(raw.slice(0, 4).to_pylist())}: make them whole numbers (int64) or text"
            )
        return cls(raw, table, role, column)

    @cached_property
    def ids(self) -> pa.ChunkedArray:
        """The ids: text from a text file is int64 if every id is written as an int would be."""
        return _whole(self.raw) if self.table.text else self.raw

    @property
    def is_int(self) -> bool:
        """Whether the ids are int; else they are text."""
        return bool(pa.types.is_integer(_value_type(self.ids)))


def agree(log: IdColumn, other: IdColumn) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The ids of both, of one type; text files have no types, so two of them meet as text.

    Raises: DataError if one has int and the other text.
    """
    if log.is_int == other.is_int:
        return log.ids, other.ids
    if log.table.text and other.table.text:
        return log.raw, other.raw
    kinds = ("int", "text") if log.is_int else ("text", "int")
    raise DataError(
        f"{log.role} ids are {kinds[0]} in {log.table.name} and {kinds[1]} in {other.table.name}: "
        "make them one type"
    )


def _whole(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """`text` as int64 if str(int(x)) == x for every x, else as it is."""
    letters = [_letters(chunk) for chunk in text.chunks if len(chunk)]
    if any(chunk.max(initial=0) > ord("9") for chunk in letters):  # hexadecimal too
        return text
    try:
        numbers = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return text
    # Python writes a decimal number at its shortest, so equal lengths in total mean that every one
    # is written so: faster than writing all of them to compare.
    return numbers if sum(map(len, letters)) == _digits(numbers.to_numpy()) else text


def _letters(chunk: pa.StringArray) -> NDArray[np.uint8]:
    """All bytes of a piece of text, without copying."""
    _, offsets, data = chunk.buffers()
    if data is None:
        return np.zeros(0, np.uint8)
    begin, end = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    return np.frombuffer(data, np.uint8)[begin:end]


def _digits(numbers: NDArray[np.int64]) -> int:
    """Characters of all numbers as Python writes them."""
    size = np.abs(numbers).view(np.uint64)  # abs of the smallest int64 overflows into 2**63: right
    largest = int(size.max(initial=0))
    total = len(numbers) + int(np.count_nonzero(numbers < 0))
    return total + sum(
        int(np.count_nonzero(size >= np.uint64(10**power))) for power in range(1, len(str(largest)))
    )


def _value_type(ids: pa.ChunkedArray) -> pa.DataType:
    return ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
