"""Encoding with a bag: each distinct word is looked at once, then texts are sums of rows."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Rows, Vectors, unit
from recembed.compiled import njit
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.text.blocks import joined
from recembed.text.pieces import Pieces
from recembed.text.rarity import Rarity
from recembed.text.subwords import Subwords
from recembed.text.tokens import Tokens, Words

SEEN = 1 << 16  # words that are kept ready: 160 MiB at 640 numbers each
ROUNDING = 1e-5  # of vectors of length 1: what is shorter is an error of float32
PART = 1 << 14  # texts of a thread at once

if TYPE_CHECKING:
    from recembed.training.rounds import Training


@dataclass(frozen=True)
class Parts:
    """What a text is made of, see Bag."""

    tokens: Tokens
    grams: Subwords
    spelling: int
    meaning: float
    power: float


class BagEncoder:
    """vectors float32 [n_words, dim], of length 1: the meaning of the words in `meanings`.

    training: how learning from pairs went; None where there was none, or a run tells it.
    """

    def __init__(
        self,
        parts: Parts,
        rarity: Rarity,
        meanings: dict[str, int],
        vectors: Vectors,
        machine: Machine = THIS_MACHINE,
        turn: Vectors | None = None,
    ) -> None:
        """turn: [dim, dim], what pairs taught; a vector times it is added to the vector."""
        self.turn = turn
        self.training: Training | None = None
        self.parts, self.rarity, self.meanings = parts, rarity, meanings
        self.vectors, self.machine = vectors, machine
        self._one = Lock()  # the words seen so far are added to
        self._forget()

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1]) + self.parts.spelling

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim], of length 1: the meaning, then the spelling; zeros without words."""
        out = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), PART * self.machine.threads):
            some = texts[start : start + PART * self.machine.threads]
            with self._one:
                rows, table = self._rows(some)
            ends = np.flatnonzero(rows < 0)
            self._sums(rows, np.concatenate([[-1], ends]), table, out[start : start + len(some)])
        return out if self.turn is None else unit(out + out @ self.turn)

    def without(self, directions: Vectors) -> "BagEncoder":
        """The same, less these directions [m, dim] of the meaning; what lay in them has none."""
        left = (self.vectors - (self.vectors @ directions.T) @ directions).astype(np.float32)
        left[np.linalg.norm(left, axis=1) < ROUNDING] = 0
        return BagEncoder(self.parts, self.rarity, self.meanings, left, self.machine)

    def turned(self, turn: Vectors | None, training: "Training | None" = None) -> "BagEncoder":
        """The same with another map, and how that was trained."""
        parts = (self.parts, self.rarity, self.meanings, self.vectors, self.machine)
        found = BagEncoder(*parts, turn)
        found.training = training
        return found

    def arrays(self) -> Arrays:
        words = json.dumps([*self.meanings], ensure_ascii=False).encode()
        return {
            "words": np.frombuffer(words, np.uint8),
            "vectors": self.vectors,
            **self.rarity.arrays(),
            **({} if self.turn is None else {"turn": self.turn}),
        }

    def _forget(self) -> None:
        tokens = self.parts.tokens
        self._reader = Words(tokens.compiled(), tokens.normal)
        self._pieces = Pieces(self._reader)
        self._table = np.zeros((0, self.dim), np.float32)

    def _rows(self, texts: Sequence[str]) -> tuple[Rows, Vectors]:
        """The words of texts as rows of a table, BREAK where a text ends."""
        if len(self._table) > SEEN:
            self._forget()
        rows = self._pieces.numbers(joined(texts))
        new = [*self._reader.words][len(self._table) :]
        if new:
            self._table = np.concatenate([self._table, self._of(new)])
        return rows, self._table

    def _of(self, words: list[str]) -> Vectors:
        """What each word adds to a text, [n, dim]."""
        width, weight = self.vectors.shape[1], self.rarity.of_words(words) ** self.parts.power
        found = np.zeros((len(words), self.dim), np.float32)
        rows = np.array([self.meanings.get(word, -1) for word in words])
        found[rows >= 0, :width] = self.vectors[rows[rows >= 0]]
        grams = self.parts.grams.of(words)
        _spell(grams.values, grams.offsets, self.rarity.of_grams(grams.values), found[:, width:])
        found *= weight[:, None]
        return found

    def _sums(self, rows: Rows, ends: NDArray[np.int64], table: Vectors, out: Vectors) -> None:
        width, share = self.vectors.shape[1], self.parts.meaning
        step = -(-len(out) // self.machine.threads)

        def work(start: int) -> None:
            stop = min(start + step, len(out))
            seen = np.full(len(table), -1, np.int32)
            _add(rows, ends[start : stop + 1], table, seen, out[start:stop], width, share)

        with ThreadPoolExecutor(self.machine.threads) as pool:
            list(pool.map(work, range(0, len(out), step)))


@njit(nogil=True, boundscheck=False, fastmath=True)
def _scale(part: Any, square: Any) -> bool:
    """Make the squares of a vector sum to this; whether they can."""
    total = np.float32(0)
    for d in range(len(part)):
        total += part[d] * part[d]
    if total > 0:
        scale = np.sqrt(square / total)
        for d in range(len(part)):
            part[d] *= scale
    return bool(total > 0)


@njit(nogil=True, boundscheck=False, fastmath=True)
def _add(rows: Any, ends: Any, table: Any, seen: Any, out: Any, width: int, share: float) -> None:
    """The sum of the distinct rows of each text; both parts scaled to their share.

    Every word has a spelling, so only the meaning may be missing.
    """
    for text in range(len(out)):
        sums = out[text]
        for at in range(ends[text] + 1, ends[text + 1]):
            row = rows[at]
            if seen[row] != text:
                seen[row] = text
                for d in range(table.shape[1]):
                    sums[d] += table[row, d]
        meant = _scale(sums[:width], np.float32(share))
        _scale(sums[width:], np.float32(1 - share) if meant else np.float32(1))


@njit(nogil=True, boundscheck=False)
def _spell(grams: Any, offsets: Any, weights: Any, out: Any) -> None:
    """The sum of the n-grams of each word [n, dim], each a direction of signs; of length 1.

    The signs are the bits of SplitMix64 (Steele, Lea, Flood 2014), begun at the n-gram.
    """
    dim = out.shape[1]
    for word in range(len(out)):
        total = out[word]
        for at in range(offsets[word], offsets[word + 1]):
            weight, state = weights[at], np.uint64(grams[at]) * np.uint64(0xD1342543DE82EF95)
            for start in range(0, dim, 64):
                state += np.uint64(0x9E3779B97F4A7C15)
                z = state
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z ^= z >> np.uint64(31)
                for bit in range(64):
                    one = (z >> np.uint64(bit)) & np.uint64(1)
                    total[start + bit] += weight if one else -weight
        _scale(total, np.float32(1))
