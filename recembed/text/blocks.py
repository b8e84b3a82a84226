"""Bytes of texts, a text a line: from plain or compressed files, in blocks between two words."""

import bz2
import gzip
import lzma
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import pyarrow as pa

from recembed.errors import DataError
from recembed.progress import Task

BLOCK = 1 << 20  # bytes: large enough to hide the hand-over, small beside any table of vectors
BROKEN = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)

Invalid: TypeAlias = Literal["refuse", "replace"]


@dataclass
class Counts:
    """What was read: texts with something in them, and how many were not as they should be."""

    texts: int = 0
    empty: int = 0  # nothing but white space
    cut: int = 0  # too long
    replaced: int = 0  # not UTF-8, so that some characters are now U+FFFD


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
    """What is in a file with a text a line; a file ends its last line.

    gz, xz, bz2 and zst are told by their first bytes. task: advances by the bytes of the file.

    Raises: DataError if the file is not whole.
    """
    last = b"\n"
    with broken(path), path.open("rb") as raw:
        done, begun = advancing(raw, task), False
        for block in cut(opened(raw)):
            yield block if begun else block.removeprefix(BOM_UTF8)
            begun, last = True, block[-1:]
            done()
    if last != b"\n":
        yield b"\n"


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """Raises: DataError where reading `path` fails."""
    try:
        yield
    except BROKEN as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read: {why}") from error


def advancing(raw: BufferedReader, task: Task | None) -> Callable[[], None]:
    """Advances the task by what was read of a file since the last call."""
    read = 0

    def advance() -> None:
        nonlocal read
        if task is not None:
            task.advance(raw.tell() - read)
            read = raw.tell()

    return advance


def opened(raw: BufferedReader) -> IO[bytes] | Any:
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


def cut(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks that end behind a line break, a space, or, in a megabyte without any, a character."""
    rest = b""
    while piece := stream.read(BLOCK):
        end = (piece.rfind(b"\n") + 1) or (piece.rfind(b" ") + 1)
        if not end and len(rest) > BLOCK:
            end = _last(piece)
        if end:
            yield rest + piece[:end]
            rest = b""
        rest += piece[end:]
    if rest:
        yield rest


def _last(piece: bytes) -> int:
    """Where the last character begins, if that leaves anything before it."""
    at = len(piece) - 1
    while at > len(piece) - 4 and piece[at] & 0xC0 == 0x80:
        at -= 1
    return at if at > 0 else len(piece)


def valid(
    blocks: Iterable[bytes],
    where: Callable[[int], str],
    invalid: Invalid = "refuse",
    counts: Counts | None = None,
) -> Iterator[bytes]:
    """Blocks of UTF-8 only. where: what messages call a line, the first is 0.

    Raises: DataError naming the line that is no text, if those are refused.
    """
    lines = 0
    for block in blocks:
        wrong = _wrong(block)
        if wrong is None:
            yield block
        elif invalid == "refuse":
            at, why = wrong
            line = lines + block.count(b"\n", 0, at)
            raise DataError(f"{where(line)} {why}")
        else:
            yield _replaced(block, counts)
        lines += block.count(b"\n")


def _wrong(block: bytes) -> tuple[int, str] | None:
    at = block.find(b"\0")
    if at >= 0:
        return at, "is not text: it has a byte 0"
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return error.start, "is not UTF-8: convert the file (iconv -f latin1 -t utf-8)"
    return None


def _replaced(block: bytes, counts: Counts | None) -> bytes:
    lines = block.split(b"\n")
    good = [line.decode(errors="replace").replace("\0", "\ufffd").encode() for line in lines]
    if counts is not None:
        counts.replaced += sum(one != other for one, other in zip(lines, good, strict=True))
    return b"\n".join(good)


def joined(texts: Sequence[str], counts: Counts | None = None) -> bytes:
    """Texts in memory, a line each: a line break in one is a space, half a surrogate U+FFFD."""
    lines = "\n".join(texts)
    if lines.count("\n") >= len(texts):
        lines = "\n".join([text.replace("\n", " ") for text in texts])
    try:
        block = lines.encode()
    except UnicodeEncodeError:  # JSON may have such; two halves that belong together become one
        whole = lines.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if counts is not None:
            pairs = zip(lines.split("\n"), whole.split("\n"), strict=True)
            counts.replaced += sum(one != other for one, other in pairs)
        block = whole.encode()
    return block + b"\n" if texts else b""
