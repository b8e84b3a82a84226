"""Subtokens: words in pieces that are frequent in one's own texts.

The smallest pieces are bytes, so no letter of any script and no emoji is unknown.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import blocks_of
from recembed.data.sequences import Sequences
from recembed.errors import DataError, MissingExtra
from recembed.progress import QUIET, Progress
from recembed.settings import check, setting
from recembed.text.blocks import BLOCK, joined
from recembed.text.normal import Normal
from recembed.text.streams import line_sequences
from recembed.text.texts import Texts

if TYPE_CHECKING:
    from recembed.text.pieces import Pieces

UNKNOWN, MASK = (
    0,
    1,
)  # rows: what a library would give to letters it lacks, and what is to be guessed
NAMES = ["no piece", "to guess"]  # no text is taken for these: pieces have no space
BYTES = 256
DIGITS = 6  # of a score: what is behind them depends on the order of a sum
LONG = re.compile(r"\S{32}")  # of a longer word each so many characters are one: no quadratic work


@dataclass(frozen=True)
class Subtokens:
    """How words become pieces, which are learned from texts.

    Source: Sennrich et al. 2016 (arXiv 1508.07909); Wu et al. 2016 (1609.08144); Kudo 2018
    (1804.10959); on bytes as in GPT-2.
    """

    kind: Literal["bpe", "wordpiece", "unigram"] = setting(
        "bpe", "neighbours joined as in training, the longest piece first, or the likeliest pieces"
    )
    size: int = setting(8192, "pieces at most, 256 bytes among them", low=512, high=1 << 20)
    min_count: int = setting(2, "rarer neighbours are not joined; no matter to unigram", low=1)
    normal: Normal = setting(Normal(), "how text is written first")

    def __post_init__(self) -> None:
        check(self)

    def train(self, texts: Texts, *, progress: Progress = QUIET) -> "Tokenizer":
        """Learn the pieces; the same texts give the same ones. Memory holds the distinct words.

        Raises: DataError if there is no text; MissingExtra without tokenizers.
        """
        library = tokenizers_library()
        texts.check()
        learner = library.Tokenizer(
            library.models.Unigram() if self.kind == "unigram" else library.models.BPE()
        )
        split = library.pre_tokenizers
        words = split.Whitespace()  # and what stands between them
        if self.kind == "unigram":  # finds pieces in what several distinct words share
            words = split.WhitespaceSplit()
        mark = split.ByteLevel(add_prefix_space=True, use_regex=False)
        learner.pre_tokenizer = split.Sequence([words, mark])
        with progress.task("learning subtokens", texts.size, texts.unit) as task:
            lines = ([_apart(self.normal(text)) for text in some] for some in texts.lines(task))
            learner.train_from_iterator(lines, self._trainer(library))
        found = json.loads(learner.to_str())
        found["added_tokens"] = []  # or texts would be searched for their names
        found["model"] = self._model(found["model"])
        return Tokenizer(json.dumps(found, ensure_ascii=False).encode(), self.normal)

    def _trainer(self, library: Any) -> Any:
        options = {
            "vocab_size": self.size,
            "special_tokens": NAMES,
            "initial_alphabet": sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            "show_progress": False,
        }
        if self.kind == "unigram":
            return library.trainers.UnigramTrainer(unk_token=NAMES[UNKNOWN], **options)
        return library.trainers.BpeTrainer(min_frequency=self.min_count, **options)

    def _model(self, found: dict[str, Any]) -> dict[str, Any]:
        """What was learned, the same each time.

        The library's trainer of WordPiece is that of BPE with pieces numbered in any order: what
        BPE learns, the longest first, is that.
        """
        if self.kind == "unigram":
            first, rest = found["vocab"][: len(NAMES)], found["vocab"][len(NAMES) :]
            return found | {"vocab": first + _settled(rest)}
        if self.kind == "wordpiece":
            return {
                "type": "WordPiece",
                "unk_token": NAMES[UNKNOWN],
                "continuing_subword_prefix": "",
                "max_input_chars_per_word": 1 << 10,  # above what LONG leaves
                "vocab": found["vocab"],
            }
        return found

    def restore(self, array: NDArray[np.uint8]) -> "Tokenizer":
        """The tokenizer whose `array()` this is. Raises: DataError if it is none."""
        found = Tokenizer(array.tobytes(), self.normal)
        tokenizers_library()
        try:
            names = found.names(range(len(NAMES)))
        except Exception as error:  # the library has no error of its own
            raise DataError("the tokenizer is damaged: train again") from error
        if names != NAMES:
            raise DataError(f"the tokenizer is not one of ours: its first pieces are {names}")
        return found


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """Texts to rows of subtokens. json: as the library `tokenizers` writes it.

    There is no row for padding: sequences are packed.
    """

    json: bytes
    normal: Normal
    _one: Lock = field(default_factory=Lock, repr=False)  # a thread at a time

    def __len__(self) -> int:
        """Rows there are."""
        return int(self._library.get_vocab_size())

    @cached_property
    def digest(self) -> str:
        """Another tokenizer has another one, and the same one behind another `normal`."""
        return sha256(self.json + json.dumps(asdict(self.normal)).encode()).hexdigest()

    def array(self) -> NDArray[np.uint8]:
        """What `Subtokens.restore` takes."""
        return np.frombuffer(self.json, np.uint8)

    def rows(self, texts: Sequence[str], longest: int | None = None) -> Sequences:
        """The rows of each text, none for an empty one. longest: what is behind so many is cut."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        with self._one:
            parts = [
                self._pieces.numbers(joined(texts[part])) for part in blocks_of(lengths, BLOCK)
            ]
        found = line_sequences(np.concatenate([np.empty(0, np.int32), *parts]))
        if longest is None:
            return found
        places = np.arange(len(found.values)) - np.repeat(found.offsets[:-1], found.sizes)
        return found.keep(places < longest)

    def names(self, rows: Iterable[int]) -> list[str]:
        """The pieces in these rows, each byte as a letter; one that begins a word has a mark."""
        return [self._library.id_to_token(row) for row in rows]

    @cached_property
    def _library(self) -> Any:
        return tokenizers_library().Tokenizer.from_str(self.json.decode())

    @cached_property
    def _pieces(self) -> "Pieces":
        from recembed.text.pieces import Pieces  # Numba: only where texts are read

        return Pieces(self._read)

    def _read(self, pieces: Iterable[str]) -> Iterator[list[int]]:
        written = [_apart(self.normal(piece)) for piece in pieces]
        for one in self._library.encode_batch_fast(written, add_special_tokens=False):
            yield one.ids


def _settled(scores: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Pieces of a unigram model and their scores, the best first.

    The library sums in any order, and bytes that it saw nowhere get the lowest score, a
    ten-thousandth more, another one more ... in any order.
    """
    lowest = round(min(score for _, score in scores), DIGITS)
    unseen = lowest + 1e-4 * BYTES
    found = [
        (piece, lowest if len(piece) == 1 and score < unseen else round(score, DIGITS))
        for piece, score in scores
    ]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _apart(text: str) -> str:
    return LONG.sub(r"\g<0> ", text)


def tokenizers_library() -> Any:
    """Raises: MissingExtra where there is none."""
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtra("a tokenizer of subtokens", "text") from error
    return tokenizers
