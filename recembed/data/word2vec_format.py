"""word2vec's files, text and binary: a line of sizes, then each word and its vector."""

import mmap
from contextlib import suppress
from pathlib import Path

import numpy as np

from recembed.arrays import Vectors
from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError

PROBE = 1 << 16  # bytes that tell text from float32


def write_word2vec(
    target: Path, vocabulary: Vocabulary, vectors: Vectors, *, binary: bool = False
) -> None:
    """Write what gensim's KeyedVectors reads; spaces in ids become "_". Text is exact, too.

    Raises: DataError if ids are empty, or alike once their spaces became "_".
    """
    words = ["_".join(str(id).split()) for id in vocabulary.ids.to_pylist()]
    if len({*words}) < len(words) or "" in words:
        raise DataError(
            "some ids are empty, or alike once spaces become '_', as word2vec files need: "
            "export parquet instead"
        )
    with target.open("wb") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for word, vector in zip(words, vectors, strict=True):
            if binary:
                file.write(f"{word} ".encode() + vector.astype("<f4").tobytes() + b"\n")
            else:
                numbers = " ".join(f"{number:.9g}" for number in vector.tolist())
                file.write(f"{word} {numbers}\n".encode())


def read_word2vec(path: Path) -> Embeddings:
    """The vectors of a file, text or binary as its content tells; metric: cosine.

    Raises: DataError naming the file and the line or word where it is not as it should be.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        n, dim, start = _header(path, data)
        words, vectors = _read(path, data, start, n, dim)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {n} vectors of {path} are not finite, first: {words[wrong[0]]!r}"
        )
    try:
        vocabulary = Vocabulary(words, "word")
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return Embeddings(vocabulary, vectors, np.ones(n, np.bool_), "cosine")


def _header(path: Path, data: mmap.mmap) -> tuple[int, int, int]:
    """Words, length of a vector, and where the first word begins."""
    if data[:2] == b"\x1f\x8b":
        raise DataError(f"{path} is compressed: unpack it (gunzip)")
    line = data[: max(0, data.find(b"\n", 0, PROBE)) + 1]
    sizes = line.split()
    if len(sizes) != 2 or not all(size.isdigit() and len(size) < 19 for size in sizes):
        raise DataError(
            f"{path} is no word2vec file: its first line has to be two whole numbers, how many "
            "words and how long a vector is"
        )
    n, dim = map(int, sizes)
    if n < 1 or dim < 1:
        raise DataError(f"{path} has {n} words and vectors of length {dim}: there is nothing in it")
    if n * 2 * dim > len(data):  # a value takes two bytes and more
        raise _short(path, n, dim, "is too small for them")
    return n, dim, len(line)


def _short(path: Path, n: int, dim: int, how: str) -> DataError:
    return DataError(f"{path} says that it has {n} vectors of {dim} values and {how}: it was cut")


def _read(path: Path, data: mmap.mmap, start: int, n: int, dim: int) -> tuple[list[str], Vectors]:
    if not _is_text(data[start : start + PROBE]):
        return _binary(path, data, start, n, dim)
    try:
        return _text(path, data, start, n, dim)
    except DataError:
        with suppress(DataError):  # the bytes of a few float32 may all be letters
            return _binary(path, data, start, n, dim)
        raise


def _is_text(head: bytes) -> bool:
    """Whether these may be printed numbers: most float32 have bytes that text has not."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()  # the last character was cut
    return not any(ord(each) < 32 and each not in "\t\n\r" for each in text)


def _text(path: Path, data: mmap.mmap, start: int, n: int, dim: int) -> tuple[list[str], Vectors]:
    words, vectors = [], np.empty((n, dim), np.float32)
    data.seek(start)
    for row in range(n):
        line = data.readline().rstrip(b" \r\n")
        if not line and data.tell() == len(data):
            raise _short(path, n, dim, f"ends behind {row} of them")
        word, *values = line.rsplit(b" ", dim)
        if len(values) < dim:
            raise DataError(
                f"line {row + 2} of {path} has {len(line.split(b' ')) - 1} values, not {dim}"
            )
        if not word or word != word.strip(b" "):
            raise DataError(f"line {row + 2} of {path} has no word, or more than a space behind it")
        try:
            words.append(word.decode())
            with np.errstate(over="ignore"):  # what float32 cannot hold is not finite
                vectors[row] = [float(value) for value in values]
        except UnicodeDecodeError as error:
            raise DataError(f"the word in line {row + 2} of {path} is not UTF-8") from error
        except ValueError as error:
            raise DataError(
                f"line {row + 2} of {path} has to be a word and {dim} numbers: {error}"
            ) from error
    if data[data.tell() :].strip():
        raise DataError(f"{path} has more lines than the {n} words that its first line says")
    return words, vectors


def _binary(path: Path, data: mmap.mmap, at: int, n: int, dim: int) -> tuple[list[str], Vectors]:
    words, vectors = [], np.empty((n, dim), np.float32)
    for row in range(n):
        space = data.find(b" ", at)
        stop = space + 1 + 4 * dim
        if space < 0 or stop > len(data):
            raise _short(path, n, dim, f"ends behind {row} of them")
        try:
            words.append(data[at:space].lstrip(b"\n").decode())
        except UnicodeDecodeError as error:
            raise DataError(
                f"word {row + 1} of {path} is not UTF-8: is it a word2vec file?"
            ) from error
        vectors[row] = np.frombuffer(data[space + 1 : stop], "<f4")
        at = stop
    if data[at:].strip():
        raise DataError(f"{path} has more bytes than the {n} vectors that its first line says")
    return words, vectors
