"""Ids and rows: what users wrote, and the dense int32 numbers that arrays use."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recembed.arrays import Rows
from recembed.errors import DataError, first

Id: TypeAlias = int | str
Ids: TypeAlias = pa.Array | pa.ChunkedArray | NDArray[np.generic] | Sequence[Id] | Iterable[Id]
FEW = 64  # below this many ids a dictionary look-up beats hashing the whole vocabulary again


def id_array(ids: Ids, name: str = "id") -> pa.Array:
    """Ids as an Arrow array of int64 or large_string, nothing else.

    Raises: DataError if some are missing, are neither whole numbers nor text, or both are mixed.
    """
    array = _arrow(ids, name)
    if len(array) == 0 and pa.types.is_null(array.type):
        return pa.array([], pa.int64())
    if array.null_count:
        at = int(pc.index(pc.is_null(array), True).as_py())
        raise DataError(
            f"{array.null_count} of {len(array)} {name}s are missing, first at row {at}"
        )
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.large_string())
    if not pa.types.is_integer(array.type):
        raise DataError(f"{name}s must be whole numbers or text, these are {array.type}")
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}s do not fit into 64 bits: {error}") from error


def id_list(ids: Iterable[Id] | Id) -> list[Id]:
    """One id or several, as a list of Python's own values."""
    if isinstance(ids, (int, str, np.generic)):
        ids = [ids]
    return [id.item() if isinstance(id, np.generic) else id for id in ids]


def _arrow(ids: Ids, name: str) -> pa.Array:
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if not isinstance(ids, pa.Array):
        try:
            ids = pa.array(ids if isinstance(ids, np.ndarray) else list(ids))
        except (pa.ArrowException, OverflowError) as error:
            raise DataError(f"{name}s must be all int or all str: {error}") from error
    return ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids


class Vocabulary:
    """Ids <-> rows. Ids are int or str as the user wrote them, rows are 0..n-1 (int32)."""

    def __init__(self, ids: Ids, name: str = "id", *, distinct: bool = False) -> None:
        """`name` is what messages call an id: "user", "item". distinct: the ids surely differ."""
        self.ids, self.name = id_array(ids, name), name
        if len(self.ids) >= 2**31:
            raise DataError(f"{len(self.ids)} {name}s are more than int32 rows can count")
        if not distinct and len(pc.unique(self.ids)) != len(self.ids):
            counts = pc.value_counts(self.ids)
            twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist()
            raise DataError(f"{len(twice)} {name}s stand twice, first: {first(twice)}")

    @classmethod
    def numbered(cls, n: int, name: str = "id") -> "Vocabulary":
        """The ids 0..n-1, for rows that have no name of their own."""
        return cls(pa.array(np.arange(n)), name, distinct=True)

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Vocabulary) and bool(self.ids.equals(other.ids))

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_int(self) -> bool:
        """Whether ids are int; else they are str."""
        return bool(pa.types.is_integer(self.ids.type))

    @cached_property
    def _row_of(self) -> dict[Id, int]:
        return {id: row for row, id in enumerate(self.ids.to_pylist())}

    def rows(self, ids: Ids) -> Rows:
        """Row of each id, -1 where it is unknown, [len(ids)]. An int is never equal to a str."""
        if not isinstance(ids, (pa.Array, pa.ChunkedArray, np.ndarray)):
            ids = list(ids)
            if len(ids) <= FEW:
                return np.array([self._row_of.get(id, -1) for id in ids], np.int32)
        wanted = id_array(ids, self.name)
        if wanted.type != self.ids.type:
            return np.full(len(wanted), -1, np.int32)
        found = pc.index_in(wanted, value_set=self.ids)
        return np.asarray(pc.fill_null(found, -1), dtype=np.int32)

    def known_rows(self, ids: Ids) -> Rows:
        """Row of each id, [len(ids)].

        Raises: DataError naming the first unknown ids.
        """
        listed = ids if isinstance(ids, (pa.Array, pa.ChunkedArray, np.ndarray)) else list(ids)
        rows = self.rows(listed)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            names = [_plain(listed[int(at)]) for at in unknown[:4]]
            kind = "int" if self.is_int else "str"
            raise DataError(
                f"{len(unknown)} of {len(rows)} {self.name}s are unknown, first: {first(names)} "
                f"({self.name} ids of this log are {kind})"
            )
        return rows

    def id(self, row: int) -> Id:
        """The id of one row."""
        return self.ids[int(row)].as_py()  # type: ignore[no-any-return]

    def take(self, rows: NDArray[np.integer]) -> pa.Array:
        """Ids of rows, [len(rows)]."""
        return self.ids.take(pa.array(rows))

    def select(self, rows: NDArray[np.integer]) -> "Vocabulary":
        """The vocabulary of these rows alone, in this order."""
        return Vocabulary(self.take(rows), self.name)

    def extend(self, ids: Ids) -> "Vocabulary":
        """This vocabulary with new ids appended; old rows do not move.

        Raises: DataError if int ids meet str ids.
        """
        more = id_array(ids, self.name)
        if len(more) == 0:
            return self
        if len(self) and more.type != self.ids.type:
            mine, other = ("int", "str") if self.is_int else ("str", "int")
            raise DataError(
                f"{self.name} ids are {mine} here and {other} there: make them one type"
            )
        mine = self.ids.cast(more.type)  # an empty vocabulary takes the type of its first ids
        fresh = pc.unique(more.filter(pc.invert(pc.is_in(more, value_set=mine))))
        ids = pa.concat_arrays([mine, fresh])
        return Vocabulary(ids, self.name, distinct=True)

    def like(self, other: "Vocabulary") -> "Vocabulary":
        """Whole numbers as text, where text is what the other has: a few may all look like them."""
        if not self.is_int or other.is_int:
            return self
        return Vocabulary(self.ids.cast(other.ids.type), self.name, distinct=True)

    def parse(self, text: str) -> Id:
        """An id typed on a command line, as this vocabulary's type; "007" is never 7."""
        number = re.fullmatch(r"-?[1-9][0-9]{0,18}|0", text)  # what 64 bits can hold
        return int(text) if self.is_int and number else text

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the ids in order, of their values only: not of how Arrow came to hold them."""
        digest = hashlib.sha256(str(self.ids.type).encode())
        if self.is_int:
            digest.update(np.ascontiguousarray(self.ids.to_numpy()).data)
            return digest.hexdigest()
        digest.update(np.ascontiguousarray(pc.binary_length(self.ids).to_numpy()).data)
        for id in self.ids.to_pylist():
            digest.update(id.encode())
        return digest.hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, pa.Scalar):
        return value.as_py()
    return value.item() if isinstance(value, np.generic) else value
