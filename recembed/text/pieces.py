"""Text as numbers: each distinct piece between spaces is looked at once.

Most pieces of a text were seen before. A compiled pass finds them by their hash; only a new piece
is written normally and taken apart, by a regular expression or a tokenizer.
"""

from array import array
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows
from recembed.compiled import njit
from recembed.text.blocks import BLOCK, cut
from recembed.text.streams import BREAK

SPACE, NEWLINE = 32, 10
SLOTS = 1 << 21
MOST = SLOTS // 4  # a part brings about as many again: the table is little more than half full
LONG = 1 << 24  # numbers of all pieces together, 64 MiB

Read: TypeAlias = Callable[[list[str]], Iterable[Iterable[int]]]


class Pieces:
    """Numbers texts. read: the numbers of each new piece, which has no space within.

    Not for two threads at once.
    """

    def __init__(self, read: Read) -> None:
        self.read = read
        self._forget()

    def _forget(self) -> None:
        """Start over with no piece known, so that memory stays bounded."""
        self._known = 0
        self._hashes = np.empty(SLOTS, np.uint64)
        self._slots = np.full(SLOTS, -1, np.int32)
        self._flat, self._offsets = array("i"), array("q", [0])

    def numbers(self, block: bytes) -> Rows:
        """The numbers of a block's pieces, BREAK where a line ends, int32 [n].

        block: valid UTF-8.
        """
        if len(block) <= 2 * BLOCK:
            return self._numbers(block)
        return np.concatenate([self._numbers(part) for part in cut(BytesIO(block))])

    def _numbers(self, block: bytes) -> Rows:
        data = np.frombuffer(block, np.uint8)
        if self._known > MOST or len(self._flat) > LONG:
            self._forget()
        out = np.empty(len(data) + 1, np.int32)
        spans = np.empty((len(data) // 2 + 1, 2), np.int64)
        n, known = _find(data, self._hashes, self._slots, self._known, out, spans)
        new = spans[: known - self._known].tolist()
        try:
            for numbers in self.read([block[start:stop].decode() for start, stop in new]):
                self._flat.extend(numbers)
                self._offsets.append(len(self._flat))
        except BaseException:  # half of them are known, which is worse than none
            self._forget()
            raise
        self._known = known
        flat = np.frombuffer(self._flat, np.int32) if self._flat else np.empty(0, np.int32)
        return _expand(out[:n], flat, np.frombuffer(self._offsets, np.int64))  # type: ignore[no-any-return]


@njit(nogil=True, boundscheck=False)
def _find(data: Any, hashes: Any, slots: Any, known: int, out: Any, spans: Any) -> tuple[int, int]:
    """Number of each piece into `out`, and where the new ones stand into `spans`.

    Two pieces are the same if their 64-bit FNV-1a hashes are: among half a million pieces, one
    confusion is expected in a hundred million corpora.
    """
    n, new, start, size = 0, 0, 0, len(data)
    mask = np.uint64(len(slots) - 1)
    h = np.uint64(14695981039346656037)
    for at in range(size + 1):
        byte = data[at] if at < size else SPACE
        if byte != SPACE and byte != NEWLINE:
            h = (h ^ np.uint64(byte)) * np.uint64(1099511628211)
            continue
        if at > start:
            slot = (h ^ (h >> np.uint64(32))) & mask
            while slots[slot] >= 0 and hashes[slot] != h:
                slot = (slot + np.uint64(1)) & mask
            if slots[slot] < 0:
                hashes[slot], slots[slot] = h, known
                spans[new, 0], spans[new, 1] = start, at
                known, new = known + 1, new + 1
            out[n] = slots[slot]
            n += 1
        if byte == NEWLINE:
            out[n] = BREAK
            n += 1
        start, h = at + 1, np.uint64(14695981039346656037)
    return n, known


@njit(nogil=True, boundscheck=False)
def _expand(pieces: Any, flat: Any, offsets: Any) -> NDArray[np.int32]:
    """The words of each piece, one after another."""
    n = 0
    for piece in pieces:
        n += 1 if piece < 0 else offsets[piece + 1] - offsets[piece]
    out = np.empty(n, np.int32)
    n = 0
    for piece in pieces:
        if piece < 0:
            out[n] = BREAK
            n += 1
            continue
        for at in range(offsets[piece], offsets[piece + 1]):
            out[n] = flat[at]
            n += 1
    return out
