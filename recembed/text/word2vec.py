"""word2vec and fastText: vectors that tell the neighbours of a word from words drawn at random."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recembed.arrays import Vectors
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.settings import check, setting
from recembed.text.subwords import NGrams, NGramVectors, Subwords, bag_means
from recembed.text.tokens import Corpus

if TYPE_CHECKING:
    from recembed.training.skipgram import SkipGram


@dataclass(frozen=True)
class Word2Vec:
    """Skip-gram or CBOW over words, whole or with their n-grams.

    The vector of a word is its input vector: with n-grams, the mean of its own and theirs.
    Source: Mikolov et al. 2013 (arXiv 1301.3781, 1310.4546); defaults are word2vec's.
    """

    kind: Literal["word2vec"] = setting("word2vec", "a word's neighbours against words drawn")
    architecture: Literal["skip-gram", "cbow"] = setting(
        "skip-gram", "a word from each of its context, or from their mean (faster)"
    )
    window: int = setting(5, "context reaches N words away", low=1)
    shrink: bool = setting(True, "draw each window from 1..window, so that near words count more")
    negatives: int = setting(5, "negatives a centre", low=1, high=4096)
    sharing: Literal["centre", "pair"] = setting(
        "centre", "the pairs of a centre share its negatives (fast), or each draws its own (exact)"
    )
    loss: Literal["logistic", "softmax"] = setting(
        "logistic", "of each target alone, or cross-entropy over a word and its negatives"
    )
    exponent: float = setting(0.75, "negatives ~ count ** exponent; 0: uniform", low=-2, high=2)
    subsample: float = setting(
        1e-3, "threshold share of frequent words; 0: keep all", low=0, high=1
    )
    epochs: int = setting(5, "passes over the corpus", low=1)
    learning_rate: float | None = setting(
        None, "first step size, falls linearly to 0; None: 0.025, for cbow 0.05", low=1e-6
    )
    subwords: Subwords = setting(Subwords(), "n-grams of a word")

    def __post_init__(self) -> None:
        check(self)

    def learn(
        self,
        text: Corpus,
        dim: int,
        folder: Path,
        *,
        seed: int,
        machine: Machine,
        progress: Progress,
    ) -> tuple[Vectors, NGramVectors | None]:
        """A vector of each word, and those of n-grams where they are learned."""
        from recembed.training.skipgram import train

        words = text.vocabulary.ids.to_pylist()
        ngrams, bags = NGrams.among(self.subwords, words)
        tables = train(
            text.sentences,
            len(words),
            self.engine(dim),
            bags=bags if self.subwords.max_n else None,
            seed=seed,
            threads=machine.threads,
            progress=progress,
            checkpoint=machine.checkpoint,
        )
        table = np.ascontiguousarray(tables.inputs)
        if not self.subwords.max_n:
            return table, None
        return bag_means(table, bags), NGramVectors(ngrams, table[len(words) :])

    def restored(self, arrays: Any, n_words: int) -> NGramVectors | None:
        """What unknown words are put together from."""
        if "buckets" not in arrays:
            return None
        return NGramVectors(NGrams(self.subwords, n_words, arrays["buckets"]), arrays["ngrams"])

    def engine(self, dim: int) -> "SkipGram":
        """What the engine trains."""
        from recembed.training.skipgram import SkipGram

        rate = self.learning_rate
        if rate is None:
            rate = 0.05 if self.architecture == "cbow" else 0.025
        return SkipGram.of(self, dim=dim, direction="both", learning_rate=rate)
