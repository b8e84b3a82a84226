"""The vectors of texts, from files into a file: larger than memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recembed.arrays import Vectors
from recembed.errors import DataError
from recembed.progress import Task
from recembed.text.blocks import Counts
from recembed.text.encoder import Encoder
from recembed.text.encoding import encoded
from recembed.text.evaluation import Tally
from recembed.text.table_blocks import is_table
from recembed.text.tables import open_texts
from recembed.text.texts import Texts

ROW, VECTOR = "row", "vector"


def read_ids(files: Sequence[Path], column: str) -> pa.Table:
    """What names the texts of tables, a column.

    Raises: DataError if a file has no such column, some are missing, or they are of two types.
    """
    parts = []
    for path in files:
        if not is_table(path):
            raise DataError(f"{path} has no column {column!r}: its lines are its texts")
        table = open_texts(path)
        if column not in table.columns:
            has = ", ".join(table.columns)
            raise DataError(f"{path.name} has no column {column!r}; it has: {has}")
        part = table.read([column], [column])
        ids = part.column(column)
        if ids.null_count:
            at = int(np.argmin(ids.is_valid().to_numpy()))
            raise DataError(f"{table.where(at)} has no {column}")
        parts.append(part)
    try:
        return pa.concat_tables(parts)
    except pa.ArrowException as error:
        raise DataError(f"the columns {column!r} of these files are of two types") from error


def write_vectors(
    target: Path, encoder: Encoder, texts: Texts, ids: pa.Table | None, task: Task
) -> Tally:
    """A Parquet file with a row a text: the id, or the row from 0, and the vector.

    Raises: DataError if there are no texts, or not as many as ids.
    """
    tally, read = Tally(), Counts()
    name = pa.field(ROW, pa.int64()) if ids is None else ids.schema.field(0)
    schema = pa.schema([name, pa.field(VECTOR, pa.list_(pa.float32(), encoder.dim))])
    if name.name == VECTOR:
        raise DataError(f"the column of ids is called {VECTOR!r}, as the vectors are: rename it")
    with pq.ParquetWriter(target, schema, use_dictionary=False) as writer:
        for some in texts.lines(task, empty=True, counts=read):
            at = tally.texts
            vectors = tally.of(encoded(encoder, some))
            names = pa.array(np.arange(at, at + len(some))) if ids is None else _next(ids, at, some)
            writer.write_table(pa.Table.from_arrays([names, _lists(vectors)], schema=schema))
    if tally.texts == 0 or (ids is not None and len(ids) != tally.texts):
        raise DataError(f"there are {tally.texts} texts in {texts.where}")
    tally.cut += read.cut
    tally.replaced = read.replaced
    return tally


def _next(ids: pa.Table, at: int, texts: Sequence[str]) -> pa.ChunkedArray:
    found = ids.column(0).slice(at, len(texts))
    if len(found) < len(texts):
        raise DataError(f"there are {len(ids)} ids for more texts")
    return found


def _lists(vectors: Vectors) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
