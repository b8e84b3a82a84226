"""The bytes of text files, plain or compressed, in blocks that end between two words."""

import bz2
import gzip
import lzma
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from recembed.errors import DataError
from recembed.progress import Task

BLOCK = 1 << 20  # bytes: large enough to hide the hand-over, small beside any table of vectors
BROKEN = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)


def check_files(paths: Sequence[Path]) -> None:
    """Before the work, not in its midst. Raises: DataError if one is no file."""
    if not paths:
        raise DataError("a corpus is one text file or several: none is named")
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path} is a folder: name the text files in it")
        if not path.is_file():
            raise DataError(f"there is no file {path}")


def text_blocks(path: Path, task: Task | None = None) -> Iterator[bytes]:
    """Blocks of valid UTF-8 that are cut behind a line break, or behind a space in a long line.

    gz, xz, bz2 and zst are told by their first bytes. task: advances by the bytes of the file.

    Raises: DataError naming the file, and the line that is not UTF-8 text.
    """
    lines, read = 0, 0
    with path.open("rb") as raw:
        try:
            for block in _blocks(_opened(raw)):
                _check(block, path, lines)
                lines += block.count(b"\n")
                yield block
                if task is not None:
                    task.advance(raw.tell() - read)
                    read = raw.tell()
        except BROKEN as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{path} cannot be read: {why}") from error


def _opened(raw: BufferedReader) -> IO[bytes] | Any:
    """What is in the file, whatever it is compressed with."""
    head = raw.peek(8)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(raw)
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.open(raw)
    if head.startswith(b"BZh"):
        return bz2.open(raw)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return pa.CompressedInputStream(pa.PythonFile(raw), "zstd")
    return raw


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(BLOCK):
        cut = (piece.rfind(b"\n") + 1) or (piece.rfind(b" ") + 1)
        if cut:
            yield rest + piece[:cut]
            rest = piece[cut:]
        else:
            rest += piece
    if rest:
        yield rest


def _check(block: bytes, path: Path, lines: int) -> None:
    at = block.find(b"\0")
    if at >= 0:
        line = lines + block.count(b"\n", 0, at) + 1
        raise DataError(f"line {line} of {path} is not text: it has a byte 0")
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = lines + block.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"line {line} of {path} is not UTF-8: convert the file (iconv -f latin1 -t utf-8)"
        ) from error
