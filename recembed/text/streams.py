"""Numbers on disk: a corpus is read and written in blocks, so that it may be larger than memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows
from recembed.data.sequences import Sequences

MANY = 1 << 20  # numbers a block
BREAK = -1  # the end of a line
LEFT_OUT = -2  # a word that is not kept

N = TypeVar("N", np.int32, np.int64)


def numbers(path: Path) -> Iterator[Rows]:
    """The int32 numbers of a file in blocks."""
    with path.open("rb") as file:
        while len(block := np.fromfile(file, np.int32, MANY)):
            yield block


def count(blocks: Iterable[Rows], n_words: int) -> NDArray[np.int64]:
    """How often each word occurs, int64 [n_words]."""
    counts = np.zeros(n_words, np.int64)
    for block in blocks:
        counts += np.bincount(block[block >= 0], minlength=n_words)
    return counts


def as_sequences(blocks: Iterable[Rows], folder: Path) -> Sequences:
    """The lines that have words, as memory-mapped files in `folder`; LEFT_OUT is dropped."""
    values, offsets = folder / "values", folder / "offsets"
    written, last = 0, 0
    with values.open("wb") as value_file, offsets.open("wb") as offset_file:
        np.zeros(1, np.int64).tofile(offset_file)
        for block in blocks:
            block = block[block != LEFT_OUT]
            ends = np.flatnonzero(block == BREAK)
            stops = written + ends - np.arange(len(ends))  # breaks themselves are not written
            stops = stops[np.diff(stops, prepend=last) > 0]
            stops.tofile(offset_file)
            kept = block[block != BREAK]
            kept.tofile(value_file)
            written += len(kept)
            last = int(stops[-1]) if len(stops) else last
    return Sequences(_mapped(values, np.int32), _mapped(offsets, np.int64))


def _mapped(path: Path, kind: type[N]) -> NDArray[N]:
    if path.stat().st_size == 0:
        return np.empty(0, kind)
    return np.asarray(np.memmap(path, kind, mode="r"))


def line_sequences(block: Rows) -> Sequences:
    """The lines of a block whose last one ends, also those without numbers."""
    ends = np.flatnonzero(block == BREAK)
    offsets = np.append(0, ends - np.arange(len(ends)))  # breaks themselves go
    return Sequences(np.delete(block, ends), offsets)
