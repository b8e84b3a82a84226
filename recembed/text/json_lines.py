"""JSON Lines: an object a line, the names in it are columns."""

import json
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa

from recembed.data.files import Table
from recembed.errors import DataError
from recembed.progress import Task
from recembed.text.blocks import advancing, broken, opened

ENDINGS = {".jsonl", ".ndjson"}


def is_json_lines(path: Path) -> bool:
    """By its name, which may go on with that of a compression."""
    return bool(ENDINGS & {ending.lower() for ending in path.suffixes})


def json_columns(path: Path) -> tuple[str, ...]:
    """The names in the first object. Raises: DataError if there is none."""
    for _, one in json_objects(path):
        return tuple(one)
    raise DataError(f"{path.name} has no lines")


def json_objects(path: Path, task: Task | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object of each line that is not blank, and the line's number; gz, xz, bz2, zst too.

    task: advances by the bytes of the file.

    Raises: DataError naming the line that is no JSON object.
    """
    with broken(path), path.open("rb") as raw:
        advance = advancing(raw, task)
        stream: Any = opened(raw)
        with BufferedReader(stream) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(line, f"line {number} of {path.name}")
                    advance()


def json_text(value: Any, name: str, where: str) -> str | None:
    """What a text column has in a line. Raises: DataError if that is something else than text."""
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{where}: {name!r} is {repr(value)[:60]}, no text")


def _small(value: Any, name: str, where: str) -> Any:
    """A value as it is. Raises: DataError for a whole number that Arrow does not take."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise DataError(f"{where}: {name!r} is {repr(value)[:60]}, too large a number")
    return value


def json_table(path: Path) -> Table:
    """A file as a table. Raises: DataError if it has no lines, or the first is no JSON object."""
    columns = json_columns(path)
    numbers: list[int] = []  # of the lines that were read

    def read(names: Sequence[str], ids: Sequence[str]) -> pa.Table:
        found: dict[str, list[Any]] = {name: [] for name in names}
        numbers.clear()
        for number, one in json_objects(path):
            numbers.append(number)
            where = f"line {number} of {path.name}"
            for name in names:
                value = one.get(name)
                if name in ids:
                    found[name].append(_whole(json_text(value, name, where)))
                else:
                    found[name].append(_small(value, name, where))
        try:
            return pa.table({name: _array(values, name in ids) for name, values in found.items()})
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            why = str(error).splitlines()[0][:160]
            raise DataError(f"{path.name}: {why}: make the column one type") from error

    return Table(path.name, columns, read, lambda row: f"line {numbers[row]} of {path.name}")


def _array(values: list[Any], text: bool) -> pa.Array:
    return pa.array(values, pa.large_string()) if text else pa.array(values)


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


def _whole(text: str | None) -> str | None:
    """Without halves of surrogate pairs, which JSON may have and UTF-8 has not."""
    if text is None or text.isascii():
        return text
    return text.encode(errors="replace").decode()
