"""Texts to vectors within bounded memory: bad ones refused, long ones cut, empty ones counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recembed.arrays import Vectors, blocks_of
from recembed.errors import DataError, many
from recembed.text.encoder import Encoder
from recembed.text.pairs import TextPairs
from recembed.text.texts import LONGEST

MEMORY = 1 << 26  # bytes of texts and vectors that are worked on at once


@dataclass(frozen=True, eq=False)
class Encoded:
    """vectors: float32 [n, dim]. How many texts are empty, unknown to the encoder, or were cut.

    Empty and unknown ones are zeros; a text is counted as one or the other.
    """

    vectors: Vectors
    empty: int
    unknown: int
    cut: int


def encoded(encoder: Encoder, texts: Sequence[str], *, longest: int = LONGEST) -> Encoded:
    """The vector of each text. longest: characters; what is behind them is not read.

    Raises: DataError if something is no text, naming the first.
    """
    check_texts(texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    empty = np.fromiter((not text.strip() for text in texts), np.bool_, len(texts))
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    for part in blocks_of(4 * (np.minimum(lengths, longest) + encoder.dim), MEMORY):
        vectors[part] = encoder.encode([text[:longest] for text in texts[part]])
    zero = ~vectors.any(axis=1)
    return Encoded(
        vectors,
        empty=int(empty.sum()),
        unknown=int((zero & ~empty).sum()),
        cut=int((lengths > longest).sum()),
    )


def check_texts(texts: Sequence[str]) -> None:
    """Raises: DataError if it is one text instead of several, or holds something else."""
    if isinstance(texts, str):
        raise DataError("texts are a list: put the one text into [ ]")
    wrong = [at for at, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        shown = repr(texts[wrong[0]])[:60]
        raise DataError(
            f"{len(wrong)} of {many(len(texts), 'text')} are no text, first: {shown} at place "
            f"{wrong[0] + 1}; write '' for a text that is missing"
        )


def refuse_tuning(name: str, pairs: TextPairs | None, start: Encoder | None) -> None:
    """For what cannot be tuned. Raises: DataError if there is something to tune with or from."""
    if pairs is not None or start is not None:
        raise DataError(
            f"{name} does not learn from pairs or go on from an encoder: take bag or network"
        )
