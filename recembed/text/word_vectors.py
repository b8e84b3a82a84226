"""Word vectors: words that stand near each other in text get near vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.settings import check, setting
from recembed.text.subwords import NGrams, NGramVectors, Subwords, bag_means
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens
from recembed.text.word_model import WordModel
from recembed.training.corpus import trained_rows

if TYPE_CHECKING:
    from recembed.training.skipgram import SkipGram


@dataclass(frozen=True)
class WordVectors:
    """Skip-gram or CBOW over the words of a corpus, whole or with their n-grams.

    The vector of a word is its input vector: with n-grams, the mean of its own and theirs.
    Source: Mikolov et al. 2013 (arXiv 1301.3781, 1310.4546); defaults are word2vec's.
    """

    name: ClassVar[str] = "word-vectors"
    architecture: Literal["skip-gram", "cbow"] = setting(
        "skip-gram", "a word from each of its context, or from their mean (faster)"
    )
    dim: int = setting(128, "length of a vector", low=1, high=4096)
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
    tokens: Tokens = setting(Tokens(), "how text becomes words")
    subwords: Subwords = setting(Subwords(), "n-grams of a word")

    def __post_init__(self) -> None:
        check(self)

    def fit(
        self,
        texts: Texts,
        *,
        seed: int = 0,
        machine: Machine = THIS_MACHINE,
        progress: Progress = QUIET,
        scratch: Path | None = None,
    ) -> WordModel:
        """Train on texts, a sentence or paragraph each.

        scratch: the folder in which the sentences lie meanwhile, four bytes a word.

        Raises: DataError if there is no text or too few words, or training diverges.
        """
        from recembed.training.skipgram import train

        with TemporaryDirectory(dir=scratch) as folder:
            text = self.tokens.encode(texts, Path(folder), progress=progress)
            if len(text.vocabulary) == 1:
                word = str(text.vocabulary.id(0))[:60]
                raise DataError(f"{word!r} is the only word kept: there is nothing to learn from")
            ngrams, bags = NGrams.among(self.subwords, text.vocabulary.ids.to_pylist())
            tables = train(
                text.sentences,
                len(text.vocabulary),
                _engine(self),
                bags=bags if self.subwords.max_n else None,
                seed=seed,
                threads=machine.threads,
                progress=progress,
                checkpoint=machine.checkpoint,
            )
            known = trained_rows(text.sentences, text.counts)
        table = np.ascontiguousarray(tables.inputs)
        means = bag_means(table, bags) if self.subwords.max_n else table
        words = Embeddings(text.vocabulary, means, known, "cosine")
        parts = NGramVectors(ngrams, table[len(known) :]) if self.subwords.max_n else None
        return WordModel(words, text.counts, parts, machine)

    def restore(
        self,
        vocabulary: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> WordModel:
        """The model whose `arrays()` these are."""
        words = Embeddings(vocabulary, arrays["vectors"], arrays["known"], "cosine")
        ngrams = None
        if "buckets" in arrays:
            named = NGrams(self.subwords, len(vocabulary), arrays["buckets"])
            ngrams = NGramVectors(named, arrays["ngrams"])
        return WordModel(words, arrays["counts"], ngrams, machine)


def _engine(estimator: WordVectors) -> "SkipGram":
    from recembed.training.skipgram import SkipGram

    rate = estimator.learning_rate
    if rate is None:
        rate = 0.05 if estimator.architecture == "cbow" else 0.025
    return SkipGram.of(estimator, direction="both", learning_rate=rate)
