"""Tables with texts in them, and what their columns are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa

from recembed.data.columns import find
from recembed.data.files import Table, open_table
from recembed.errors import DataError
from recembed.settings import change

JSON_LINES = (".jsonl", ".ndjson")


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
    if path.is_file() and any(ending in path.name for ending in JSON_LINES):
        return _json_table(path)
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


def _json_table(path: Path) -> Table:
    _, first = next(_objects(path), (0, None))
    if first is None:
        raise DataError(f"{path.name} has no lines")
    numbers: list[int] = []  # of the lines that were read, blank ones left out

    def read(columns: Sequence[str], ids: Sequence[str]) -> pa.Table:
        found: dict[str, list[Any]] = {name: [] for name in columns}
        numbers.clear()
        for number, one in _objects(path):
            numbers.append(number)
            for name in columns:
                value = one.get(name)
                if name in ids and not isinstance(value, str | None):
                    raise DataError(f"line {number} of {path.name}: {name!r} is {value!r}, no text")
                found[name].append(_whole(value) if isinstance(value, str) else value)
        try:
            return pa.table({name: _array(values, name in ids) for name, values in found.items()})
        except (pa.ArrowException, OverflowError) as error:
            raise DataError(f"{path.name}: {error}: make the column one type") from error

    def where(row: int) -> str:
        return f"line {numbers[row]} of {path.name}"

    return Table(path.name, tuple(first), read, where)


def _array(values: list[Any], text: bool) -> pa.Array:
    return pa.array(values, pa.large_string()) if text else pa.array(values)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object of each line that is not blank, and the line's number."""
    try:
        with BufferedReader(pa.input_stream(str(path))) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(line, f"line {number} of {path.name}")
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DataError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: convert the file") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{where} is no JSON object: {str(value)[:60]!r}")
    return value


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which JSON may have and UTF-8 has not."""
    return text if text.isascii() else text.encode(errors="replace").decode()
