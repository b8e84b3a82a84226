"""Texts to learn from: files, columns or lists, read in blocks as often as they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

from recembed.errors import DataError
from recembed.progress import QUIET, Progress, Task
from recembed.text.blocks import Counts, Invalid, check_files, joined, text_blocks, valid
from recembed.text.table_blocks import column_of, is_table, table_blocks

LONGEST = 1 << 20  # characters of a text: of a whole book, its beginning has to do
MANY = 1 << 10  # texts of a list that are joined at once

Files: TypeAlias = str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Texts:
    """Files with a text a line or a column of texts, and texts in memory.

    column: None: the one of a usual name. invalid: what is not UTF-8 is refused, or replaced by
    U+FFFD. A line break in a column's or a list's text is a space.
    """

    files: tuple[Path, ...] = ()
    held: Sequence[str] = ()
    column: str | None = None
    invalid: Invalid = "refuse"

    @classmethod
    def of(cls, files: Files, *, column: str | None = None, invalid: Invalid = "refuse") -> "Texts":
        """Text files, plain or compressed, a text a line; or Parquet, CSV, TSV, JSON Lines files.

        Raises: DataError if one is no file, or has no such column.
        """
        paths = [Path(one) for one in ([files] if isinstance(files, (str, Path)) else files)]
        if invalid not in get_args(Invalid):
            raise DataError(f"invalid is {' or '.join(get_args(Invalid))}, not {invalid!r}")
        check_files(paths)
        for path in paths:
            if is_table(path):
                column_of(path, column)
            elif column is not None:
                raise DataError(f"{path} has no column {column!r}: its lines are its texts")
        return cls(tuple(paths), column=column, invalid=invalid)

    def guessed(self) -> list[str]:
        """What tells of each table whose column was not named which one is read."""
        tables = [] if self.column else [path for path in self.files if is_table(path)]
        return [f"{path.name}: its texts are {column_of(path, None)!r}" for path in tables]

    @property
    def size(self) -> int:
        """What `blocks` advances its task by, in `unit`."""
        return sum(path.stat().st_size for path in self.files) + len(self.held)

    @property
    def unit(self) -> str:
        """Bytes on disk, or texts in memory."""
        return "bytes" if self.files else "texts"

    @property
    def where(self) -> str:
        """What messages call it."""
        return ", ".join(map(str, self.files)) or "the texts"

    def blocks(self, task: Task | None = None, counts: Counts | None = None) -> Iterator[bytes]:
        """Valid UTF-8, a text a line, cut behind a line break, or behind a space in a long line.

        counts: told of what was replaced.

        Raises: DataError naming the file and the line or row that is no text.
        """
        for path in self.files:
            yield from self._of(path, task, counts)
        for start in range(0, len(self.held), MANY):
            some = self.held[start : start + MANY]
            yield joined(some, counts)
            if task is not None:
                task.advance(len(some))

    def lines(
        self, task: Task | None = None, *, empty: bool = False, counts: Counts | None = None
    ) -> Iterator[list[str]]:
        """The texts, in lists, without white space around them; long ones end at LONGEST.

        empty: also those that are nothing else; a text is then where it was. counts: told of all.
        """
        counts = Counts() if counts is None else counts
        begun = ""
        for block in self.blocks(task, counts):
            *whole, begun = (begun + block.decode()).split("\n")
            begun = begun[: LONGEST + 1]
            texts = [line.strip() for line in whole]
            if max(map(len, texts), default=0) > LONGEST:
                counts.cut += sum(len(text) > LONGEST for text in texts)
                texts = [text[:LONGEST] for text in texts]
            some = [text for text in texts if text]
            counts.texts += len(some)
            counts.empty += len(texts) - len(some)
            if empty and texts:
                yield texts
            elif some:
                yield some

    def counts(self, progress: Progress = QUIET) -> Counts:
        """What reading all of it finds: before the work, not in its midst.

        Raises: DataError naming the file and the line or row that is no text.
        """
        counts = Counts()
        with progress.task("reading", self.size, self.unit) as task:
            for _ in self.lines(task, counts=counts):
                pass
        return counts

    def _of(self, path: Path, task: Task | None, counts: Counts | None) -> Iterator[bytes]:
        if is_table(path):
            found, unit, first = table_blocks(path, self.column, task), "row", 0
        else:
            found, unit, first = text_blocks(path, task), "line", 1
        return valid(found, lambda at: f"{unit} {at + first} of {path}", self.invalid, counts)

    def check(self) -> None:
        """Raises: DataError if there is nothing at all."""
        if next(self.lines(), None) is None:
            raise DataError(f"there is no text in {self.where}")
