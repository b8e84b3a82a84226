"""What is known of items (or users) beside their interactions: one Arrow row an id."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recembed.arrays import Mask, Rows
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

KINDS = ("categor", "genre", "department", "type", "kind")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A table aligned with a vocabulary: row i of `table` describes row i of `ids`.

    title: the column people read, where there is one. Ids without a row have nulls: a row in
    which nothing stands says no more than none.
    """

    ids: Vocabulary
    table: pa.Table
    title: str | None = None

    def __post_init__(self) -> None:
        if self.table.num_rows != len(self.ids):
            raise DataError(f"{self.table.num_rows} catalogue rows for {len(self.ids)} ids")

    @classmethod
    def align(
        cls, ids: Vocabulary, own: Vocabulary, table: pa.Table, title: str | None = None
    ) -> "Catalogue":
        """`table` (one row for each of `own`) laid out along `ids`, nulls where `own` lacks one."""
        rows = own.rows(ids.ids)
        at = pa.array(rows, mask=rows < 0)
        return cls(ids, table.take(at), title)

    @property
    def covered(self) -> Mask:
        """Ids of which anything is told, [n_ids]."""
        there = np.zeros(len(self.ids), bool)
        for column in self.table.columns:
            there |= np.asarray(column.is_valid())
        return there

    def fingerprint(self) -> str:
        """The same for tables that say the same of the same ids, sha256 in hex."""
        table = self.table.combine_chunks()
        digest = hashlib.sha256(f"{table.schema.to_string()} {self.title}".encode())
        for batch in table.to_batches():
            digest.update(batch.serialize())
        return digest.hexdigest()

    def column(self, name: str) -> pa.ChunkedArray:
        """One column.

        Raises: DataError that lists the columns there are.
        """
        if name not in self.table.column_names:
            has = ", ".join(self.table.column_names)
            raise DataError(f"the {self.ids.name} table has no column {name!r}; it has: {has}")
        return self.table.column(name)

    def titles(self, rows: Rows) -> list[str | None]:
        """The readable name of each row, None where there is none, [len(rows)]."""
        if self.title is None:
            return [None] * len(rows)
        return self._titles.take(pa.array(rows)).to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def _titles(self) -> pa.Array:
        """The titles in one piece: of several, each look puts them together again."""
        assert self.title is not None
        return self.column(self.title).combine_chunks()

    def values(self, name: str) -> tuple[Rows, pa.Array]:
        """The owner of each value of a column, rising, and the values; lists are taken apart.

        Nulls are left out.
        """
        return _flat(self.column(name))

    def categories(self, names: tuple[str, ...]) -> tuple[Sequences, list[str]]:
        """Category rows of each id over the union of columns, and what each row means.

        A column holds one value or a list of values an id; nulls add nothing. Values of different
        columns are never the same category.
        """
        codes: list[Rows] = []
        owners: list[Rows] = []
        meanings: list[str] = []
        for name in names:
            owner, values = self.values(name)
            if pa.types.is_nested(values.type):
                raise DataError(f"column {name!r} holds {values.type}, no categories: name another")
            encoded = values.dictionary_encode()
            codes.append(np.asarray(encoded.indices, np.int32) + np.int32(len(meanings)))
            owners.append(owner)
            meanings += [f"{name}={value}" for value in encoded.dictionary.to_pylist()]
        owner = np.concatenate([np.zeros(0, np.int32), *owners])
        order = np.argsort(owner, kind="stable")
        offsets = np.searchsorted(owner[order], np.arange(len(self.ids) + 1)).astype(np.int64)
        flat = np.concatenate([np.zeros(0, np.int32), *codes])[order]
        return Sequences(flat, offsets), meanings

    def likely_category(self) -> str | None:
        """The column that most likely tells kinds apart, None where there is none.

        One of text or of lists of text, whose values are shared by two ids or more on average; one
        that is called a category, genre or the like first, else that of the fewest values.
        """
        found = []
        for name in self.table.column_names:
            owner, values = self.values(name)
            if name == self.title or not textual(values.type):
                continue
            n = len(values.unique())
            if 2 <= n <= len(owner) // 2:
                named = any(word in name.lower() for word in KINDS)
                found.append((not named, n, name))
        return min(found)[2] if found else None


def textual(kind: pa.DataType) -> bool:
    """Whether values of this type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def listed(kind: pa.DataType) -> bool:
    """Whether values of this type are lists."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _flat(column: pa.ChunkedArray) -> tuple[Rows, pa.Array]:
    array = column.combine_chunks()
    if listed(array.type):
        owner = np.asarray(pc.list_parent_indices(array), np.int32)
        array = pc.list_flatten(array)
    else:
        owner = np.arange(len(array), dtype=np.int32)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    there = np.asarray(array.is_valid())
    return owner[there], array.filter(pa.array(there))
