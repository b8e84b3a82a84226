"""How the files of a public data set are laid out, and what they become."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from recembed.arrays import offsets_of
from recembed.data.files import Table, open_table
from recembed.data.text_files import TextFile
from recembed.errors import DataError


@dataclass(frozen=True)
class Part:
    """One file. kind: "table" as `read_log` knows them, "bare" text without a header whose
    `columns` are named here, or "sequences": a line is a user and then items in order.

    keep: the columns to keep, all if empty. lists: columns of several values, and what separates
    them. flags: columns of 0 and 1 that together become the list column `categories`.
    """

    file: str
    kind: Literal["table", "bare", "sequences"] = "table"
    columns: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    delimiter: str = "\t"
    encoding: str = "utf-8"
    lists: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    @classmethod
    def parsed(cls, values: Mapping[str, Any]) -> "Part":
        """From a card's table."""
        fixed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**fixed)


@dataclass(frozen=True)
class Layout:
    """The files of one form of a data set. counts: users, items and interactions it must have."""

    interactions: Part
    items: Part | None = None
    users: Part | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parsed(cls, values: Mapping[str, Any]) -> "Layout":
        """From a card's `[[layouts]]`."""
        parts: dict[str, Any] = {
            name: Part.parsed(part) for name, part in values.items() if name != "counts"
        }
        return cls(**parts, counts=values.get("counts", {}))

    def parts(self) -> dict[str, Part]:
        """The parts there are, by name."""
        named = {"interactions": self.interactions, "items": self.items, "users": self.users}
        return {name: part for name, part in named.items() if part is not None}

    def files(self) -> list[str]:
        """Names of its files."""
        return [part.file for part in self.parts().values()]

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds its interactions."""
        return (folder / self.interactions.file).is_file()


def converted(layout: Layout, folder: Path) -> dict[str, pa.Table]:
    """The tables of a layout, by name: interactions, and items and users where they are there."""
    tables = {}
    for name, part in layout.parts().items():
        path = folder / part.file
        if path.is_file():
            tables[name] = _converted(part, path)
    return tables


def _converted(part: Part, path: Path) -> pa.Table:
    if part.kind == "sequences":
        return _sequences(path)
    table = _opened(part, path)
    lacks = [name for name in part.keep if name not in table.columns]
    if lacks:
        raise DataError(f"{path.name} has no column {lacks[0]!r}; it has: {table.columns}")
    data = table.read([*(part.keep or table.columns)], [])
    return _categories(data, part.flags) if part.flags else data


def _opened(part: Part, path: Path) -> Table:
    if part.kind == "table":
        return open_table(path)
    lists = dict(part.lists)
    file = TextFile.bare(path, part.columns, part.delimiter, part.encoding, lists)
    return Table(path.name, file.columns, file.read, file.where, text=True)


def _categories(data: pa.Table, flags: tuple[str, ...]) -> pa.Table:
    on = np.column_stack([np.asarray(data.column(flag)) == 1 for flag in flags])
    names = pa.array(flags).take(pa.array(np.nonzero(on)[1]))
    offsets = pa.array(offsets_of(on.sum(axis=1)).astype(np.int32))
    categories = pa.ListArray.from_arrays(offsets, names)
    return data.drop_columns(list(flags)).append_column("categories", categories)


def _sequences(path: Path) -> pa.Table:
    """user_id, item_id, position; a user may go on in later lines."""
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
        users = np.array([line[0] for line in lines if line], np.int64)
        items = np.array([item for line in lines for item in line[1:]], np.int64)
    except ValueError as error:
        raise DataError(f"{path.name} is not lines of whole numbers: {error}") from error
    sizes = np.array([len(line) - 1 for line in lines if line], np.int64)
    return pa.table(
        {
            "user_id": np.repeat(users, sizes),
            "item_id": items,
            "position": np.arange(len(items)),
        }
    )
