"""Texts in a column of a table, Parquet, CSV, TSV or JSON Lines, read in batches."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recembed.data.columns import needed
from recembed.data.text_files import TextFile
from recembed.errors import DataError
from recembed.progress import Task
from recembed.text.blocks import BLOCK, advancing, broken, joined, opened
from recembed.text.json_lines import is_json_lines, json_columns, json_objects, json_text

ROWS = 1 << 10  # of a Parquet file at once: texts may be long
PARQUET, SEPARATED = (".parquet", ".pq"), (".csv", ".tsv")


def is_table(path: Path) -> bool:
    """Whether texts stand in a column of it, not in its lines."""
    endings = {ending.lower() for ending in path.suffixes}
    return bool(endings & {*SEPARATED}) or is_json_lines(path) or _is_parquet(path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() in PARQUET or file.read(4) == b"PAR1"


def column_of(path: Path, column: str | None) -> str:
    """The column that is read, None: the one of a usual name.

    Raises: DataError if there is none, or it is no text.
    """
    if _is_parquet(path):
        with broken(path), pq.ParquetFile(path) as file:
            return _of_parquet(path, file, column)
    names = json_columns(path) if is_json_lines(path) else TextFile.open(path, "item").columns
    return needed("text", column, names, path.name)


def table_blocks(path: Path, column: str | None, task: Task | None = None) -> Iterator[bytes]:
    """The texts of a column, a line each; a line break in one is a space, a missing one is empty.

    column: None: the one of a usual name. task: advances by the bytes of the file.

    Raises: DataError if there is no such column, or the file is not whole.
    """
    if is_json_lines(path):
        yield from _json(path, column, task)
        return
    batches = _parquet if _is_parquet(path) else _separated
    with broken(path):
        for batch in batches(path, column, task):
            texts = batch.column(0).cast(pa.large_binary()).to_pylist()
            yield b"".join([(text or b"").replace(b"\n", b" ") + b"\n" for text in texts])


def _parquet(path: Path, column: str | None, task: Task | None) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, buffer_size=BLOCK) as file:
        name, rows, size = _of_parquet(path, file, column), 0, path.stat().st_size
        for batch in file.iter_batches(ROWS, columns=[name]):
            yield batch
            before, rows = rows, rows + len(batch)
            if task is not None:
                total = file.metadata.num_rows
                task.advance(size * rows // total - size * before // total)


def _of_parquet(path: Path, file: pq.ParquetFile, column: str | None) -> str:
    schema = file.schema_arrow
    name = needed("text", column, schema.names, path.name)
    kind = schema.field(name).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    if not any(test(value) for test in tests):
        raise DataError(f"{path.name}: the column {name!r} holds {kind}, not text")
    return name


def _separated(path: Path, column: str | None, task: Task | None) -> Iterator[pa.RecordBatch]:
    file = TextFile.open(path, "item")
    name = needed("text", column, file.columns, path.name)
    with path.open("rb") as raw:
        advance = advancing(raw, task)
        for batch in file.batches(name, opened(raw)):
            yield batch
            advance()


def _json(path: Path, column: str | None, task: Task | None) -> Iterator[bytes]:
    name = needed("text", column, json_columns(path), path.name)
    texts: list[str] = []
    for number, one in json_objects(path, task):
        texts.append(json_text(one.get(name), name, f"line {number} of {path}") or "")
        if len(texts) == ROWS:
            yield joined(texts)
            texts.clear()
    yield joined(texts)
