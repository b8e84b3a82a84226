"""What the words of a corpus are: from text files to a vocabulary and sentences of rows."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.settings import check, setting
from recembed.text.normal import Normal
from recembed.text.phrases import find_phrases, join_phrases
from recembed.text.stop_words import stop_words
from recembed.text.streams import BREAK, LEFT_OUT, as_sequences, count, numbers
from recembed.text.texts import Texts

if TYPE_CHECKING:
    from recembed.text.pieces import Pieces


@cache
def word_pattern() -> str:
    """Letters, digits and marks, with - and ' between them: don't, mother-in-law.

    Python's own class of word characters lacks marks, which are vowels in Hindi and accents that
    stand alone; and it has "_", which stands for italics and joins phrases.
    """
    marks = [chr(at) for at in range(0x300, 0x10000) if category(chr(at)).startswith("M")]
    return rf"[^\W_](?:[^\W_]+|['-](?=[^\W_])|[{''.join(marks)}\u200c\u200d]+)*"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sentences of word rows. counts: occurrences of each word, int64 [n_words], falling."""

    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    sentences: Sequences


class Words:
    """Numbers words in the order in which they are first seen."""

    def __init__(self, pattern: re.Pattern[str], normal: Normal) -> None:
        self.pattern, self.normal = pattern, normal
        self.words: dict[str, int] = {}

    def __call__(self, pieces: Iterable[str]) -> Iterator[list[int]]:
        """The words of each piece; a pattern may match nothing between two of them."""
        words = self.words
        for piece in pieces:
            found = self.pattern.findall(self.normal(piece))
            yield [words.setdefault(word, len(words)) for word in found if word]


@dataclass(frozen=True)
class Tokens:
    """How text becomes words; none of them spans a space or the end of a line."""

    pattern: str | None = setting(
        None, "what a word is, a regular expression; None: letters, marks, digits, inner - and '"
    )
    normal: Normal = setting(Normal(), "how text is written first")
    stop_words: str | None = setting(None, "words left out: none, english, or a file of them")
    phrases: int = setting(0, "times that frequent neighbours become one word", low=0, high=8)
    phrase_threshold: float = setting(100.0, "a higher score makes fewer phrases", low=0)
    phrase_min_count: int = setting(5, "rarer pairs are no phrase", low=1)
    min_count: int = setting(5, "rarer words are left out", low=1)
    max_vocabulary: int | None = setting(None, "only so many words, the most frequent", low=1)

    def __post_init__(self) -> None:
        check(self)
        self.compiled()

    def compiled(self) -> re.Pattern[str]:
        """The pattern. Raises: DataError if it is none, or would not give whole words."""
        try:
            pattern = re.compile(word_pattern() if self.pattern is None else self.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise DataError(f"pattern {self.pattern!r} is no regular expression: {error}") from None
        if pattern.groups:
            raise DataError(
                f"pattern {self.pattern!r} has a group, so what it finds is no whole word: "
                "write (?: ... ) instead of ( ... )"
            )
        return pattern

    def encode(self, texts: Texts, folder: Path, *, progress: Progress = QUIET) -> Corpus:
        """Read texts, a sentence or paragraph each; sentences lie in `folder`, mapped.

        Words are in the order of their counts, those of equal counts in the order of their texts.
        Memory holds the distinct words, not the corpus.

        Raises: DataError for a file that is no text, or texts without frequent words.
        """
        from recembed.text.pieces import Pieces  # Numba: only where a corpus is read

        left_out = stop_words(self.stop_words, self.normal)
        reader = Words(self.compiled(), self.normal)
        stream = folder / "0"
        self._read(texts, Pieces(reader), stream, progress)
        words = [*reader.words]
        if not words:
            raise DataError(
                f"no word in {texts.where}: is it text? Words are letters and digits unless "
                "the pattern of its tokens says otherwise"
            )
        for turn in range(self.phrases):
            target = folder / str(turn + 1)
            self._join(stream, target, words, left_out)
            stream.unlink()
            stream = target
        counts = count(numbers(stream), len(words))
        kept = self._kept(words, counts, left_out)
        row_of = np.full(len(words) + 1, LEFT_OUT, np.int32)
        row_of[kept] = np.arange(len(kept))
        row_of[BREAK] = BREAK  # -1: the last place
        sentences = as_sequences((row_of[block] for block in numbers(stream)), folder)
        stream.unlink()
        vocabulary = Vocabulary([words[at] for at in kept], "word", distinct=True)
        return Corpus(vocabulary, counts[kept], sentences)

    def _read(self, texts: Texts, pieces: "Pieces", target: Path, progress: Progress) -> None:
        with progress.task("reading", texts.size, texts.unit) as task, target.open("wb") as file:
            for block in texts.blocks(task):
                pieces.numbers(block).tofile(file)

    def _join(self, stream: Path, target: Path, words: list[str], left_out: frozenset[str]) -> None:
        n = len(words)
        phrases = find_phrases(
            stream,
            min_count=self.phrase_min_count,
            threshold=self.phrase_threshold,
            apart=np.array([word in left_out for word in words]),
        )
        known = {word: at for at, word in enumerate(words)}

        def row(first: int, second: int) -> int:
            joined = f"{words[first]}_{words[second]}"
            if joined not in known:
                known[joined] = len(words)
                words.append(joined)
            return known[joined]

        join_phrases(stream, target, phrases, n, row)

    def _kept(
        self, words: list[str], counts: NDArray[np.int64], left_out: frozenset[str]
    ) -> list[int]:
        frequent = np.flatnonzero(counts >= self.min_count).tolist()
        kept = [at for at in frequent if words[at] not in left_out]
        if not kept:
            most = int(counts.max())
            raise DataError(
                f"none of {len(words)} words occurs {self.min_count} times (the most frequent: "
                f"{most}{', a stop word' if frequent else ''}): set min_count of its tokens lower"
            )
        kept.sort(key=lambda at: (-counts[at], words[at]))
        return kept[: self.max_vocabulary]
