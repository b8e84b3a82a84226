"""CSV and its kin: what separates the columns, what they are called, where a line is wrong."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from recembed.errors import DataError, EmptyLog

Role: TypeAlias = Literal["log", "item", "user"]

HEAD = 1 << 20  # bytes in which the first line ends
LOG_BLOCK = 1 << 20  # bytes a thread parses at once
ROW = 1 << 22  # bytes of a row may be so many, and a few times as many are held
TABLE_BLOCK = 1 << 28  # item tables are small: tell their types from all rows, not the first ones
TYPED = re.compile(r"(.+):(token|token_seq|float|float_seq)")  # RecBole's atomic files
UNIT = "\x1f"  # stands for "::", which no CSV reader takes for a separator
BARE: dict[Role, tuple[str, ...]] = {  # columns of files without a header, as MovieLens has them
    "log": ("user_id", "item_id", "rating", "timestamp"),
    "item": ("item_id", "title", "genres"),
    "user": ("user_id", "gender", "age", "occupation", "zip"),
}
BROKEN = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)


@dataclass(frozen=True)
class TextFile:
    """A table of text. lists: the columns that hold several values, and what separates those."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str = ","
    header: bool = True
    quote: bool = True
    lists: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    block: int = TABLE_BLOCK

    @classmethod
    def open(cls, path: Path, role: Role) -> "TextFile":
        """The file at `path`, its kind told from its first line and, without a header, its role.

        Raises: DataError if it is empty or not text.
        """
        line, alone = _first_line(path)
        file = cls._told(path, line, role)
        if file.header and alone:
            raise EmptyLog(f"{path.name} has no rows, only a header")
        return file

    @classmethod
    def _told(cls, path: Path, line: str, role: Role) -> "TextFile":
        block = LOG_BLOCK if role == "log" else TABLE_BLOCK
        if line.count("::") > 1 and "\t" not in line:
            return cls._movielens(path, line.split("::"), role, block)
        if "\ufffd" in line:
            raise DataError(f"line 1 of {path.name} is not UTF-8: convert the file")
        delimiter = _delimiter(line)
        cells = _names(path, line, delimiter)
        if role == "log" and delimiter == "\t" and len(cells) == 4 and _numeric(cells):
            return cls(path, BARE["log"], delimiter, header=False, quote=False, block=block)
        typed = [match for cell in cells if (match := TYPED.fullmatch(cell))]
        if len(typed) < len(cells):
            return cls(path, tuple(cells), delimiter, block=block)
        lists = {match[1]: " " for match in typed if match[2].endswith("_seq")}
        names = tuple(match[1] for match in typed)
        return cls(path, names, delimiter, quote=False, lists=lists, block=block)

    @classmethod
    def _movielens(cls, path: Path, cells: list[str], role: Role, block: int) -> "TextFile":
        header = not cells[0].isdecimal()
        names = tuple(cells) if header else BARE[role]
        if len(names) != len(cells):
            raise DataError(
                f"{path.name} has {len(cells)} columns without a header; "
                f"{'an' if role == 'item' else 'a'} {role} file has {'::'.join(names)}"
            )
        lists = {"genres": "|"} if "genres" in names else {}
        return cls(path, names, UNIT, header, quote=False, lists=lists, block=block)

    @classmethod
    def bare(
        cls,
        path: Path,
        columns: tuple[str, ...],
        delimiter: str,
        encoding: str,
        lists: dict[str, str],
    ) -> "TextFile":
        """A file without a header whose layout is known beforehand; "::" is a delimiter too."""
        mark = UNIT if delimiter == "::" else delimiter
        return cls(path, columns, mark, False, False, lists, encoding)

    def read(self, columns: Sequence[str], ids: Sequence[str]) -> pa.Table:
        """These columns; those in `ids` as text, the others as what they look like.

        Raises: DataError naming the line that is not UTF-8 or has too few or too many columns.
        """
        try:
            return self._read(columns, ids)
        except BROKEN:
            pass  # perhaps a late value is not of the type that the first ones look like
        try:
            return self._read(columns, columns)
        except BROKEN as error:
            raise self._diagnosis(error) from error

    def batches(self, column: str, stream: IO[bytes]) -> Iterator[pa.RecordBatch]:
        """One column as bytes, whatever they are, of a file that may be larger than memory.

        stream: what is in the file, decompressed.

        Raises: DataError naming the line that has too few or too many columns, or for a row
            that is too long.
        """
        try:
            yield from pv.open_csv(
                self._input() if self.delimiter == UNIT else stream,
                read_options=pv.ReadOptions(
                    column_names=list(self.columns),
                    skip_rows=int(self.header),
                    block_size=ROW,
                    use_threads=False,  # each would read ahead
                ),
                parse_options=pv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char='"' if self.quote else False,
                    newlines_in_values=True,
                ),
                convert_options=pv.ConvertOptions(
                    include_columns=[column], column_types={column: pa.binary()}
                ),
            )
        except BROKEN as error:
            if "straddling" in str(error):
                raise DataError(
                    f"{self.path.name} has a row of more than {ROW:,} bytes: is a quote not "
                    "closed? Parquet holds such texts"
                ) from error
            raise self._diagnosis(error) from error

    def where(self, row: int) -> str:
        """`line 17 of log.csv`: the header is line 1, and blank lines count."""
        left = row + self.header
        for number, line in enumerate(self._lines(), start=1):
            if line.strip(b"\r\n"):
                if left == 0:
                    return f"line {number} of {self.path.name}"
                left -= 1
        return f"row {row} of {self.path.name}"

    def _read(self, columns: Sequence[str], text: Sequence[str]) -> pa.Table:
        types = {name: pa.string() for name in (*text, *self.lists)}
        table = pv.read_csv(
            self._input(),
            read_options=pv.ReadOptions(
                column_names=list(self.columns),
                skip_rows=int(self.header),
                encoding="utf-8" if self.delimiter == UNIT else self.encoding,
                block_size=self.block,
            ),
            parse_options=pv.ParseOptions(
                delimiter=self.delimiter, quote_char='"' if self.quote else False
            ),
            convert_options=pv.ConvertOptions(
                include_columns=list(columns),
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        for name in set(self.lists) & set(columns):
            parts = pc.split_pattern(table.column(name), self.lists[name])
            table = table.set_column(table.column_names.index(name), name, parts)
        return table

    def _input(self) -> str | io.BytesIO:
        if self.delimiter != UNIT:
            return str(self.path)
        with pa.input_stream(str(self.path)) as stream:
            data = stream.read()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")  # as MovieLens writes its titles
        return io.BytesIO(text.replace("::", UNIT).encode())

    def _lines(self) -> Iterator[bytes]:
        with io.BufferedReader(pa.input_stream(str(self.path))) as stream:
            yield from stream

    def _diagnosis(self, error: Exception) -> DataError:
        """What is wrong with the file, told from its first line that cannot be right."""
        separator = "::" if self.delimiter == UNIT else self.delimiter
        try:
            for number, line in enumerate(self._lines(), start=1):
                wrong = self._wrong(line, separator)
                if wrong:
                    return DataError(f"line {number} of {self.path.name} {wrong}")
        except BROKEN as reading:
            error = reading
        return DataError(f"{self.path.name} cannot be read: {str(error).strip().splitlines()[0]}")

    def _wrong(self, line: bytes, separator: str) -> str | None:
        try:
            text = line.decode(self.encoding if separator != "::" else "latin-1").strip("\r\n")
        except UnicodeDecodeError:
            return "is not UTF-8: convert the file (iconv -f latin1 -t utf-8)"
        if not text:
            return None
        if self.quote:
            try:
                cells = next(csv.reader([text], delimiter=separator), [])
            except csv.Error:  # of its own limits, not of what is wrong here
                return None
        else:
            cells = text.split(separator)
        if len(cells) == len(self.columns):
            return None
        shown = text if len(text) <= 60 else text[:60] + "..."
        return f"has {len(cells)} columns, not {len(self.columns)}: {shown!r}"


def _first_line(path: Path) -> tuple[str, bool]:
    """The first line, and whether the file ends in it."""
    try:
        with pa.input_stream(str(path)) as stream:
            head = stream.read(HEAD)
    except BROKEN as error:
        raise DataError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error
    if not head.strip():
        raise DataError(f"{path.name} is empty")
    if b"\0" in head:
        raise DataError(f"{path.name} is neither UTF-8 text nor Parquet: convert it to CSV")
    line, newline, _ = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not line.strip():
        raise DataError(f"the first line of {path.name} is blank: it names the columns")
    return line.decode(errors="replace").strip("\r"), not newline


def _names(path: Path, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:  # lines that end in \r alone, or no text in columns at all
        raise DataError(f"line 1 of {path.name} does not name columns: {error}") from error


def _delimiter(line: str) -> str:
    """Tab where there is one, else the likeliest."""
    if "\t" in line:
        return "\t"
    return max(",;|", key=line.count)  # the first of equals: a single column reads as CSV


def _numeric(cells: list[str]) -> bool:
    return all(cell.replace(".", "", 1).isdecimal() for cell in cells)
