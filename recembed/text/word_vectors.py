"""Word vectors: words that stand near each other in text get near vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from numpy.typing import NDArray

from recembed.data.embeddings import Embeddings
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.settings import check, setting
from recembed.text.glove import GloVe
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens
from recembed.text.word2vec import Word2Vec
from recembed.text.word_model import WordModel
from recembed.training.corpus import trained_rows


@dataclass(frozen=True)
class WordVectors:
    """Vectors of the words of a corpus, by word2vec, fastText or GloVe."""

    name: ClassVar[str] = "word-vectors"
    dim: int = setting(128, "length of a vector", low=1, high=4096)
    tokens: Tokens = setting(Tokens(), "how text becomes words")
    method: Word2Vec | GloVe = setting(Word2Vec(), "what is learned of the words around a word")

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

        scratch: the folder in which the sentences lie meanwhile, four bytes a word, and the pairs
        of words that GloVe counts.

        Raises: DataError if there is no text or too few words, or training diverges.
        """
        with TemporaryDirectory(dir=scratch) as folder:
            text = self.tokens.encode(texts, Path(folder), progress=progress)
            if len(text.vocabulary) == 1:
                word = str(text.vocabulary.id(0))[:60]
                raise DataError(f"{word!r} is the only word kept: there is nothing to learn from")
            vectors, ngrams = self.method.learn(
                text, self.dim, Path(folder), seed=seed, machine=machine, progress=progress
            )
            known = trained_rows(text.sentences, text.counts)
        words = Embeddings(text.vocabulary, vectors, known, "cosine")
        return WordModel(words, text.counts, ngrams, machine, self.tokens.normal)

    def restore(
        self,
        vocabulary: Vocabulary,
        arrays: Mapping[str, NDArray[Any]],
        machine: Machine = THIS_MACHINE,
    ) -> WordModel:
        """The model whose `arrays()` these are."""
        words = Embeddings(vocabulary, arrays["vectors"], arrays["known"], "cosine")
        ngrams = self.method.restored(arrays, len(vocabulary))
        return WordModel(words, arrays["counts"], ngrams, machine, self.tokens.normal)
