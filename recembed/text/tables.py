"""Tables with texts in them, and what their columns are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from recembed.data.columns import find
from recembed.data.files import Table, open_table
from recembed.errors import DataError
from recembed.settings import change
from recembed.text.json_lines import is_json_lines, json_table


@dataclass(frozen=True)
class TextColumns:
    """The column of each role; None: guess it from the usual names.

    text, label: a text and what it is about. first, second: texts that belong together, score: how
    much; negative: a text that is not like the first. id: what names a text; taken when named.
    """

    text: str | None = None
    label: str | None = None
    first: str | None = None
    second: str | None = None
    score: str | None = None
    negative: str | None = None
    id: str | None = None

    @classmethod
    def of(cls, named: Mapping[str, str] | None) -> "TextColumns":
        """Raises: DataError for a role that there is not."""
        return change(cls(), named or {}, "column role")

    def find(self, role: str, table: Table) -> str | None:
        """The column of a role, None where there is none that can be guessed.

        Raises: DataError if the named one is not there, or two are the same usual name.
        """
        return find(role, getattr(self, role), table.columns, table.name)


def open_texts(path: Path) -> Table:
    """A Parquet, CSV, TSV or JSON Lines file; nothing is read but the column names.

    Raises: DataError if there is no such file, or it is none of these.
    """
    if path.is_file() and is_json_lines(path):
        return json_table(path)
    return open_table(path, "item")


def text_column(table: Table, data: pa.Table, name: str) -> list[str]:
    """The texts of a column; an empty cell of a text file is an empty text.

    Raises: DataError naming the row without a text, or with something else.
    """
    column = data.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataError(f"{table.name}: the column {name!r} holds {column.type}, not text")
    texts: list[str | None] = column.to_pylist()
    if table.text:
        return [text or "" for text in texts]
    if column.null_count:
        raise DataError(f"{table.where(texts.index(None))} has no text in {name!r}")
    return texts  # type: ignore[return-value]
