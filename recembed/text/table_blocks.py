"""Texts in a column of a table, Parquet, CSV or TSV, read in batches."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recembed.data.columns import needed
from recembed.data.text_files import TextFile
from recembed.errors import DataError
from recembed.progress import Task
from recembed.text.blocks import BLOCK, advancing, broken, opened

ROWS = 1 << 10  # of a Parquet file at once: texts may be long
PARQUET, SEPARATED = (".parquet", ".pq"), (".csv", ".tsv")


def is_table(path: Path) -> bool:
    """Whether texts stand in a column of it, not in its lines."""
    endings = {ending.lower() for ending in path.suffixes}
    return bool(endings & {*SEPARATED}) or _is_parquet(path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() in PARQUET or file.read(4) == b"PAR1"


def check_column(path: Path, column: str | None) -> None:
    """Before the work. Raises: DataError if no such column, or none of a usual name, is text."""
    if _is_parquet(path):
        with broken(path), pq.ParquetFile(path) as file:
            _of_parquet(path, file, column)
    else:
        needed("text", column, TextFile.open(path, "item").columns, path.name)


def table_blocks(path: Path, column: str | None, task: Task | None = None) -> Iterator[bytes]:
    """The texts of a column, a line each; a line break in one is a space, a missing one is empty.

    column: None: the one of a usual name. task: advances by the bytes of the file.

    Raises: DataError if there is no such column, or the file is not whole.
    """
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
