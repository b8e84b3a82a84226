"""Item and user tables: one row an id, laid out along a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from recembed.data.catalogue import Catalogue
from recembed.data.columns import Columns, find, needed
from recembed.data.files import Source, Table, open_table
from recembed.data.ids import IdColumn, agree
from recembed.data.text_files import Role
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

TITLE = "title"  # the column that "a+b" makes


@dataclass(frozen=True, eq=False)
class Description:
    """What a table tells of the ids `own`, row by row. title: the column that people read."""

    own: Vocabulary
    columns: pa.Table
    title: str | None

    def along(self, ids: Vocabulary) -> Catalogue:
        """Its rows in the order of `ids`, nulls where it has none."""
        return Catalogue.align(ids, self.own, self.columns, self.title)


def describe(
    source: Source | None, role: Role, columns: Columns, log: IdColumn
) -> tuple[pa.ChunkedArray, Description | None]:
    """The log's ids, of the type that both can share, and what the table in `source` tells of them.

    Raises: DataError if there is no id column, an id is missing or stands twice, ids are int here
    and text there, or a title column is not there.
    """
    if source is None:
        return log.ids, None
    table = open_table(source, role)
    column = _id_column(table, role, columns, log.column)
    data = table.read(table.columns, [column])
    log_ids, own_ids = agree(log, IdColumn.of(table, data, column, role))
    try:
        own = Vocabulary(own_ids, role)
    except DataError as error:
        raise DataError(f"{table.name}: {error}; keep one row of each") from error
    data = data.drop_columns([column])
    if role == "user":  # Columns.title names a column of the item table
        return log_ids, Description(own, data, None)
    return log_ids, Description(own, *_titled(data, columns.title, table.name))


def _id_column(table: Table, role: Role, columns: Columns, log_column: str) -> str:
    named = columns.item_id if role == "item" else None
    if named is None and log_column in table.columns:
        return log_column
    found = find(role, named, table.columns, table.name)
    plain = [name for name in table.columns if name.lower() == "id"]
    if found is None and len(plain) == 1:
        return plain[0]
    option = "--columns item_id=COLUMN" if role == "item" else None
    return found or needed(role, named, table.columns, table.name, option)


def _titled(data: pa.Table, title: str | None, source: str) -> tuple[pa.Table, str | None]:
    """The table with its title as text, and the title's column; "a+b" makes one of several."""
    whole = title is None or title in data.column_names or "+" not in title
    if whole:
        name = find("title", title, data.column_names, source)
        return (data, None) if name is None else (_put(data, name, _text(data.column(name))), name)
    parts = [needed("title", part, data.column_names, source) for part in str(title).split("+")]
    return _put(data, TITLE, _joined(data, parts)), TITLE


def _joined(data: pa.Table, parts: Sequence[str]) -> pa.ChunkedArray:
    # two by two: joining with null_handling="skip" loses the rows where every part is null
    joined, *others = [_text(data.column(part)) for part in parts]
    space = pa.scalar(" ", pa.large_string())
    for other in others:
        both = pc.binary_join_element_wise(joined, other, space)
        joined = pc.coalesce(both, joined, other)
    return joined


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            column = pc.binary_join(column, " ")  # a title that is stored word by word
        return column.cast(pa.large_string())
    except pa.ArrowException as error:
        raise DataError(f"a title is text, not {column.type}: name another column") from error


def _put(data: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    if name not in data.column_names:
        return data.append_column(name, column)
    return data.set_column(data.column_names.index(name), name, column)
