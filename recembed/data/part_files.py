"""A folder whose files are named after the parts of a log: train.csv, valid.csv, test.csv."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from recembed.data.columns import FILE_PART, PART_NAMES
from recembed.data.files import Source, Table, open_table
from recembed.errors import DataError

NAMED = re.compile(rf"(?:.*[._-])?({'|'.join(PART_NAMES)})[._-].*", re.IGNORECASE)


def open_log(source: Source) -> Table:
    """A folder of train.*, valid.* and test.* as one table, in this order; else as `open_table`.

    Its column FILE_PART has the part that the file's name says (also dev and validation; shards as
    train-0.parquet, RecBole's NAME.train.inter). train and test must be there, valid may be.

    Raises: DataError if a part stands there twice (train.csv, train.parquet), or as `open_table`.
    """
    folder = Path(source) if isinstance(source, (str, Path)) and str(source).strip() else None
    if folder is None or not folder.is_dir():
        return open_table(source)
    files = _named(folder)
    if not {"train", "test"} <= set(files.values()):
        return open_table(source)
    order = list(PART_NAMES.values())
    paths = sorted(files, key=lambda path: (order.index(files[path]), path.name))
    parts = [files[path] for path in paths]
    return _joined(folder.name or str(folder), [open_table(path) for path in paths], parts)


def _named(folder: Path) -> dict[Path, str]:
    """The files that are named after a part, and the part."""
    found = ((path, NAMED.fullmatch(path.name)) for path in sorted(folder.iterdir()))
    matches = [(path, match) for path, match in found if match and path.is_file()]
    bare = [
        path.name[: match.end(1)] + path.name[match.end(1) :].split(".")[0]
        for path, match in matches
    ]
    twice = [
        path.name for (path, _), name in zip(matches, bare, strict=True) if bare.count(name) > 1
    ]
    if twice:
        raise DataError(f"{folder} has {' and '.join(twice)}, the same part twice: keep one")
    return {path: PART_NAMES[match[1].lower()] for path, match in matches}


def _joined(name: str, tables: list[Table], parts: list[str]) -> Table:
    starts: list[int] = []

    def read(columns: Sequence[str], ids: Sequence[str]) -> pa.Table:
        own = [column for column in columns if column != FILE_PART]
        data = [_told(table, part, own, ids) for table, part in zip(tables, parts, strict=True)]
        starts[:] = accumulate(map(len, data), initial=0)
        try:
            fitting = _text_in_all(data) if text else data
            return pa.concat_tables(fitting, promote_options="permissive").select(list(columns))
        except pa.ArrowException as error:
            line = str(error).strip().splitlines()[0]
            raise DataError(f"the files of {name} do not fit together: {line}") from error

    def where(row: int) -> str:
        at = bisect_right(starts, row) - 1
        return tables[at].where(row - starts[at])

    text = all(table.text for table in tables)
    return Table(name, (*tables[0].columns, FILE_PART), read, where, text)


def _told(table: Table, part: str, columns: Sequence[str], ids: Sequence[str]) -> pa.Table:
    """The columns of one file, and its part."""
    lacks = [column for column in columns if column not in table.columns]
    if lacks:
        has = ", ".join(table.columns)
        raise DataError(f"{table.name} has no column {lacks[0]!r}, other parts do; it has: {has}")
    data = table.read(columns, ids)
    return data.append_column(FILE_PART, pa.array([part] * len(data), pa.string()))


def _text_in_all(tables: list[pa.Table]) -> list[pa.Table]:
    """What looks like text in one file is text in all, so that a wrong value there is named."""
    text = {field.name for table in tables for field in table.schema if field.type == pa.string()}
    schemas = [
        [field.with_type(pa.string()) if field.name in text else field for field in table.schema]
        for table in tables
    ]
    return [table.cast(pa.schema(fields)) for table, fields in zip(tables, schemas, strict=True)]
