"""Item columns as rules of a list: only items with a value, at most so many with the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recembed.arrays import Mask, offsets_of
from recembed.data.catalogue import Catalogue
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.recommender.wish import Value


@dataclass(frozen=True, eq=False)
class Coded:
    """Codes of the values that each item has in a column, and the values by code."""

    codes: Sequences
    values: pa.Array


@dataclass(frozen=True, eq=False)
class ItemColumns:
    """Columns of the item table, each taken apart when it is first asked for."""

    about: Catalogue | None
    n_items: int
    found: dict[str, Coded] = field(default_factory=dict)

    def coded(self, name: str) -> Coded:
        """A column's values. Raises: DataError where there is no such column."""
        if name not in self.found:
            if self.about is None:
                raise DataError(f"there is no column {name!r}: the run has no item table")
            owner, values = self.about.values(name)
            if pa.types.is_nested(values.type):
                raise DataError(f"column {name!r} holds {values.type}, no values to choose by")
            if pa.types.is_float16(values.type):  # Arrow cannot look them up
                values = values.cast(pa.float32())
            encoded = values.dictionary_encode()
            sizes = np.bincount(owner, minlength=self.n_items)
            codes = Sequences(np.asarray(encoded.indices, np.int32), offsets_of(sizes))
            self.found[name] = Coded(codes, encoded.dictionary)
        return self.found[name]

    def mask(self, where: Mapping[str, Sequence[Value]]) -> Mask | None:
        """Items that have one of the values in each column, [n_items]; None: all of them."""
        if not where:
            return None
        mask = np.ones(self.n_items, np.bool_)
        for name, wanted in where.items():
            coded = self.coded(name)
            hits = np.isin(coded.codes.values, _codes(name, coded.values, wanted))
            mask &= np.bincount(coded.codes.owners()[hits], minlength=self.n_items) > 0
        return mask

    def of(self, name: str, rows: NDArray[np.integer]) -> list[NDArray[np.integer]]:
        """The codes of each item's values, [len(rows)]."""
        codes = self.coded(name).codes
        return [codes[int(row)] for row in rows]


def _codes(name: str, there: pa.Array, wanted: Sequence[Value]) -> NDArray[np.integer]:
    """Codes of the values that the column has; a text is read as what the column holds."""
    try:
        values = pa.array([_plain(value, there.type) for value in wanted]).cast(there.type)
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"column {name!r} holds {there.type}, not {list(wanted)}") from error
    return np.flatnonzero(np.asarray(pc.is_in(there, value_set=values), np.bool_))


def _plain(value: Value, kind: pa.DataType) -> Value:
    """Numbers where text stands are the text of the number."""
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return str(value) if text else value
