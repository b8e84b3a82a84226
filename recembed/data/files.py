"""Tables wherever they are: text, Parquet, frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pyarrow as pa
import pyarrow.parquet as pq

from recembed.data.columns import check_names
from recembed.data.text_files import Role, TextFile
from recembed.errors import DataError


@runtime_checkable
class Frame(Protocol):
    """A pandas (or polars) frame: anything that has columns and the Arrow stream interface."""

    @property
    def columns(self) -> Any: ...

    def __getitem__(self, names: list[Any]) -> Any: ...

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Source: TypeAlias = str | Path | pa.Table | Frame


@dataclass(frozen=True, eq=False)
class Table:
    """A readable table. name: what messages call it. columns: their names, each once.

    read(columns, ids): those columns; those in `ids` as text where the file is text.
    where(row): how messages name a row (0 is the first). text: whether ids in it have no type.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Sequence[str], Sequence[str]], pa.Table]
    where: Callable[[int], str]
    text: bool = False

    def __post_init__(self) -> None:
        check_names(self.columns, self.name)


def open_table(source: Source, role: Role = "log") -> Table:
    """The table behind a path, an Arrow table or a frame; nothing is read but the column names.

    role: what a file without a header holds, "log", "item" or "user".

    Raises: DataError if there is no such file, or it is of no known kind.
    """
    if isinstance(source, pa.Table):
        return _arrow(source, f"the {role} table")
    if isinstance(source, Frame):
        return _frame(source, f"the {role} table")
    if not isinstance(source, (str, Path)):
        raise DataError(
            f"a {role} is a path, a pyarrow table or a pandas frame, not {type(source).__name__}"
        )
    path = Path(source)
    if not str(source).strip():
        raise DataError(f"the path of the {role} is empty")
    if path.is_dir():
        return _parts(path)
    if not path.is_file():
        raise DataError(f"there is no file {source}")
    if path.suffix in (".parquet", ".pq") or _magic(path) == b"PAR1":
        return _parquet([path], path.name)
    file = TextFile.open(path, role)
    return Table(path.name, file.columns, file.read, file.where, text=True)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _arrow(table: pa.Table, name: str) -> Table:
    return Table(
        name,
        tuple(table.column_names),
        lambda columns, _: table.select(list(columns)),
        _row_of(name),
    )


def _frame(frame: Frame, name: str) -> Table:
    named = {str(column): column for column in frame.columns}
    check_names([str(column) for column in frame.columns], name)

    def read(columns: Sequence[str], _: Sequence[str]) -> pa.Table:
        try:
            table = pa.table(frame[[named[column] for column in columns]])
        except pa.ArrowException as error:
            raise DataError(f"{name}: {_line(error)}: make the column one type") from error
        return table.select([table.column_names.index(column) for column in columns])

    return Table(name, tuple(named), read, _row_of(name))


def _parts(folder: Path) -> Table:
    """All Parquet files below a folder, in order of their paths, as one table."""
    below = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    parts = [path for path in below if not path.name.startswith(("_", "."))]
    if not parts:
        raise DataError(f"the folder {folder} has no Parquet files (*.parquet)")
    return _parquet(parts, folder.name or str(folder))


def _parquet(paths: list[Path], name: str) -> Table:
    files = [_opened(path) for path in paths]

    def read(columns: Sequence[str], _: Sequence[str]) -> pa.Table:
        tables = [_read(file, path, columns) for file, path in zip(files, paths, strict=True)]
        try:
            return tables[0] if len(tables) == 1 else _concatenated(tables)
        except pa.ArrowException as error:
            raise DataError(f"the parts of {name} do not fit together: {_line(error)}") from error

    return Table(name, tuple(files[0].schema_arrow.names), read, _row_of(name))


def _concatenated(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive")


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a whole Parquet file: {_line(error)}") from error


def _read(file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> pa.Table:
    lacks = [column for column in columns if column not in file.schema_arrow.names]
    if lacks:
        has = ", ".join(file.schema_arrow.names)
        raise DataError(f"{path.name} has no column {lacks[0]!r}, other parts do; it has: {has}")
    try:
        return file.read(columns=list(columns)).select(list(columns))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a whole Parquet file: {_line(error)}") from error


def _row_of(name: str) -> Callable[[int], str]:
    return lambda row: f"row {row} of {name}"


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
