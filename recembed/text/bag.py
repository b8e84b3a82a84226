"""A bag of words: what they mean and how they are spelled, added up, rare words more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors, offsets_of, unit
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.settings import check, setting
from recembed.text.bag_encoder import BagEncoder, Parts
from recembed.text.encoder import Encoder, Judge
from recembed.text.network_encoder import check_torch
from recembed.text.pairs import TextPairs
from recembed.text.rarity import Rarity, rarity_of
from recembed.text.subwords import Subwords
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens
from recembed.text.word2vec import Word2Vec
from recembed.text.word_vectors import WordVectors
from recembed.training.texts.tuning_settings import Tuning, decided

EVERY = (1 << 31) - 1  # buckets: so many that hardly any two n-grams share one

if TYPE_CHECKING:
    from recembed.training.rounds import Training


@dataclass(frozen=True)
class Bag:
    """Two vectors of a text, side by side: its words by meaning and by spelling.

    Each is a sum over the distinct words, weighted by rarity, and counts for its share of the
    cosine whatever the text. The meaning of a word is its word vector, its spelling the n-grams
    that it has, weighted by their rarity, each a random direction (so that any text has a vector,
    and cosines are those of the n-grams' own space but for an error of about dim ** -0.5).
    Source: weights and removed directions as in SIF (Arora, Liang, Ma 2017); random directions
    for n-grams, Johnson, Lindenstrauss 1984; the hash is fastText's.
    """

    name: ClassVar[str] = "bag"
    meaning: float = setting(0.3, "share of the meaning in a cosine", low=0, high=1)
    words: WordVectors = setting(
        WordVectors(tokens=Tokens(min_count=2), method=Word2Vec(subsample=1e-4)),
        "how meanings are learned, and what a word is",
    )
    removed: int = setting(
        0, "directions that texts share most, taken out of the meaning (SIF: 1)", low=0, high=100
    )
    power: float = setting(1.0, "a word weighs its rarity (IDF) ** power", low=0, high=8)
    spelling: int = setting(
        512, "length of the part for the spelling; a multiple of 64", low=64, high=1 << 14
    )
    min_n: int = setting(2, "shortest n-gram, in characters, of a word between < and >", low=1)
    max_n: int = setting(4, "longest n-gram", low=1, high=64)
    tune: Tuning = setting(
        Tuning(
            epochs=15,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=1.0,
        ),
        "learning from pairs: a linear map of the vectors",
    )
    dropout: float = setting(
        0.5, "share of the numbers left out while pairs are learned from", low=0, high=0.95
    )

    def __post_init__(self) -> None:
        check(self)
        if self.min_n > self.max_n:
            raise DataError(f"min_n {self.min_n} is above max_n {self.max_n}")
        if self.spelling % 64:
            raise DataError(f"spelling is a multiple of 64, {self.spelling} is not")
        if self.words.tokens.phrases:
            raise DataError("a bag has no phrases: leave words.tokens.phrases 0")
        if self.meaning and self.removed >= self.words.dim:
            raise DataError(
                f"removed {self.removed} would leave nothing of a meaning of words.dim "
                f"{self.words.dim}: set it lower"
            )

    @property
    def resumes(self) -> bool:
        """Where it learns word vectors."""
        return self.meaning > 0

    def ready(self, pairs: TextPairs | None = None) -> None:
        if pairs is not None:
            check_torch()
            decided(self.tune, pairs.scores, negatives=pairs.negatives is not None)

    @property
    def grams(self) -> Subwords:
        """How words are taken apart."""
        return Subwords(self.min_n, self.max_n, EVERY)

    def fit(
        self,
        texts: Texts,
        *,
        pairs: TextPairs | None = None,
        judge: Judge | None = None,
        start: Encoder | None = None,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
    ) -> BagEncoder:
        """Learn word vectors, and how rare words and n-grams are. Memory holds words, not texts.

        Raises: DataError if there are too few words, or start is no bag like this one; MissingExtra
        for pairs without torch.
        """
        self.ready(pairs)
        encoder = start
        if encoder is None:
            encoder = self._learned(texts, seed, machine, progress)
        elif not isinstance(encoder, BagEncoder) or encoder.parts != self._parts():
            raise DataError("a bag goes on from a bag of the same setting: name another start")
        elif pairs is None:
            raise DataError("an encoder goes on with pairs of texts: there are none")
        if pairs is None:
            return encoder
        return self._tuned(encoder, pairs, judge, seed, progress)

    def _learned(self, texts: Texts, seed: int, machine: Machine, progress: Progress) -> BagEncoder:
        rarity = rarity_of(texts, self.words.tokens, self.grams, progress)
        meanings: dict[str, int] = {}
        vectors = np.zeros((0, 0), np.float32)
        if self.meaning:
            model = self.words.fit(texts, seed=seed, machine=machine, progress=progress)
            known = np.flatnonzero(model.words.known)
            listed = model.words.vocabulary.take(known.astype(np.int32)).to_pylist()
            meanings = {word: row for row, word in enumerate(listed)}
            vectors = unit(model.words.vectors[known])
        encoder = BagEncoder(self._parts(), rarity, meanings, vectors, machine)
        return encoder.without(self._shared(encoder, texts)) if self.removed else encoder

    def _tuned(
        self,
        encoder: BagEncoder,
        pairs: TextPairs,
        judge: Judge | None,
        seed: int,
        progress: Progress,
    ) -> BagEncoder:
        from recembed.training.texts.pairs import PairRows
        from recembed.training.texts.tuning import tune
        from recembed.training.texts.turned import Turned

        n, plain = len(pairs), encoder.turned(None)
        vectors = plain.encode(pairs.texts())
        there = vectors.any(axis=1)  # an empty text is a sequence of nothing
        texts = Sequences(np.flatnonzero(there).astype(np.int32), offsets_of(there.astype(int)))
        first = np.arange(n)
        negatives = None if pairs.negatives is None else first + 2 * n
        network = Turned(vectors, self.dropout, encoder.turn)

        def made(training: "Training | None" = None) -> BagEncoder:
            return encoder.turned(network.turn.detach().cpu().numpy().copy(), training)

        training = tune(
            network,
            PairRows(texts, first, first + n, negatives, pairs.scores),
            self.tune,
            judge=None if judge is None else lambda: judge(made()),
            seed=seed,
            machine=encoder.machine,
            progress=progress,
        )
        return training.checked(made(training))

    def _parts(self) -> Parts:
        return Parts(self.words.tokens, self.grams, self.spelling, self.meaning, self.power)

    def _shared(self, encoder: BagEncoder, texts: Texts) -> Vectors:
        """The directions in which the meanings of texts are largest, [removed, dim]."""
        width = encoder.vectors.shape[1]
        products = np.zeros((width, width))
        for lines in texts.lines():
            found = encoder.encode(lines)[:, :width].astype(np.float64)
            products += found.T @ found
        return np.linalg.eigh(products)[1][:, ::-1][:, : self.removed].T.astype(np.float32)

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], machine: Machine = THIS_MACHINE
    ) -> BagEncoder:
        listed = json.loads(arrays["words"].tobytes())
        vectors = arrays["vectors"]
        if len(listed) != len(vectors):
            raise DataError(f"{len(listed)} words and {len(vectors)} vectors do not fit together")
        meanings = {word: row for row, word in enumerate(listed)}
        parts, rarity, turn = self._parts(), Rarity.restored(arrays), arrays.get("turn")
        return BagEncoder(parts, rarity, meanings, vectors, machine, turn)
