"""TF-IDF: a text is what it is made of, and what is rare counts more."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors, unit
from recembed.errors import DataError, MissingExtra
from recembed.progress import QUIET, Progress
from recembed.protocols import THIS_MACHINE, Arrays, Machine
from recembed.settings import check, setting
from recembed.text.encoder import Encoder, Judge
from recembed.text.encoding import refuse_tuning
from recembed.text.normal import Normal
from recembed.text.pairs import TextPairs
from recembed.text.texts import Texts
from recembed.text.tokens import word_pattern

APART = str.maketrans({"-": " ", "'": None})  # in a word
ENOUGH = 1 << 17  # texts that axes are found from: of more, every second, third, ... is taken


@dataclass(frozen=True)
class Characters:
    """Runs of characters of each word: they see that sail, sails and sailing are alike.

    What stands between words or joins two of them is no character.
    """

    min_n: int = setting(3, "characters of the shortest", low=1, high=20)
    max_n: int = setting(4, "characters of the longest", low=1, high=20)
    kind: Literal["characters"] = setting("characters", "runs of characters, within words")

    def __post_init__(self) -> None:
        check(self)

    def options(self, normal: Normal) -> dict[str, Any]:
        """What scikit-learn is told."""
        find = re.compile(word_pattern()).findall

        def words(text: str) -> str:
            return " ".join(find(normal(text))).translate(APART)

        return {"analyzer": "char_wb", "preprocessor": words}


@dataclass(frozen=True)
class Words:
    """Words, and runs of neighbours among them."""

    min_n: int = setting(1, "words of the shortest", low=1, high=20)
    max_n: int = setting(1, "words of the longest", low=1, high=20)
    kind: Literal["words"] = setting("words", "words and their neighbours")

    def __post_init__(self) -> None:
        check(self)

    def options(self, normal: Normal) -> dict[str, Any]:
        """What scikit-learn is told."""
        return {"analyzer": "word", "preprocessor": normal, "token_pattern": word_pattern()}


Terms: TypeAlias = Characters | Words


@dataclass(frozen=True)
class TfIdf:
    """How often a text has each term, times how rare that is, on a few axes or as it is.

    Axes are those of a truncated singular value decomposition (latent semantic analysis): they
    make short vectors, and of short texts worse ones.
    Source: Salton, Buckley 1988; Deerwester et al. 1990.
    """

    name: ClassVar[str] = "tf-idf"
    resumes: ClassVar[bool] = False
    terms: Terms = setting(Characters(), "what is counted")
    normal: Normal = setting(Normal(), "how text is written first")
    min_count: int = setting(1, "terms in fewer texts are left out", low=1)
    max_vocabulary: int | None = setting(None, "only so many terms, the most frequent", low=1)
    counts: Literal["once", "log", "all"] = setting(
        "once", "a term that occurs n times in a text counts 1, 1 + log(n) or n"
    )
    dim: int = setting(
        256, "axes at most; 0: none, a vector has a number for each term", low=0, high=4096
    )

    def __post_init__(self) -> None:
        check(self)
        if self.terms.min_n > self.terms.max_n:
            raise DataError(f"terms.min_n {self.terms.min_n} is above max_n {self.terms.max_n}")

    def ready(self, pairs: TextPairs | None = None) -> None:
        refuse_tuning(self.name, pairs, None)
        _vectorizer(self)

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
    ) -> "TfIdfEncoder":
        """Count the terms of texts, and find the axes. Memory holds distinct terms, not texts.

        Raises: MissingExtra without scikit-learn; DataError if there is no term, or for pairs.
        """
        refuse_tuning(self.name, pairs, start)
        counts: Counter[str] = Counter()
        analyse, n = _vectorizer(self).build_analyzer(), 0
        with progress.task("reading", texts.size, "bytes" if texts.files else "texts") as task:
            for lines in texts.lines(task):
                n += len(lines)
                for line in lines:
                    counts.update(set(analyse(line)))
        terms = self._kept(counts, texts)
        found = np.array([counts[term] for term in terms])
        idf = (np.log((1 + n) / (1 + found)) + 1).astype(np.float32)  # scikit-learn's
        plain = TfIdfEncoder(self, terms, idf)
        if not self.dim:
            return plain
        return TfIdfEncoder(self, terms, idf, _axes(plain, texts, n, seed, machine))

    def _kept(self, counts: Counter[str], texts: Texts) -> list[str]:
        kept = [term for term, count in counts.items() if count >= self.min_count]
        if not kept:
            why = f"none of {len(counts)} is in {self.min_count} texts: set min_count lower"
            raise DataError(f"no terms in {texts.where}: {why if counts else 'is it text?'}")
        kept.sort(key=lambda term: (-counts[term], term))
        return kept[: self.max_vocabulary]

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], machine: Machine = THIS_MACHINE
    ) -> "TfIdfEncoder":
        terms, idf, axes = json.loads(arrays["terms"].tobytes()), arrays["idf"], arrays.get("axes")
        if len(terms) != len(idf) or (axes is not None and len(axes) != len(terms)):
            raise DataError(f"{len(terms)} terms and their weights do not fit together")
        return TfIdfEncoder(self, terms, idf, axes)


@dataclass(frozen=True, eq=False)
class TfIdfEncoder:
    """terms: the most frequent first. idf: float32 [n_terms]. axes: float32 [n_terms, dim].

    Without axes a vector has a number for each term, and most are 0: ask for few texts at once.
    """

    setting: TfIdf
    terms: list[str]
    idf: Vectors
    axes: Vectors | None = None

    @property
    def dim(self) -> int:
        return len(self.terms) if self.axes is None else self.axes.shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim], of length 1; zeros for a text without known terms."""
        if len(texts) == 0:  # scikit-learn refuses
            return np.empty((0, self.dim), np.float32)
        weights = self.weights(texts)
        return weights.toarray() if self.axes is None else unit(weights @ self.axes)

    def weights(self, texts: Sequence[str]) -> Any:
        """Sparse float32 [n, n_terms], rows of length 1."""
        return self._vectorizer.transform(texts)

    def arrays(self) -> Arrays:
        terms = np.frombuffer(json.dumps(self.terms, ensure_ascii=False).encode(), np.uint8)
        own: Arrays = {"terms": terms, "idf": self.idf}
        return own if self.axes is None else own | {"axes": self.axes}

    @cached_property
    def _vectorizer(self) -> Any:
        vectorizer = _vectorizer(self.setting, {term: row for row, term in enumerate(self.terms)})
        vectorizer.idf_ = self.idf
        return vectorizer


def _vectorizer(setting: TfIdf, vocabulary: dict[str, int] | None = None) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise MissingExtra(setting.name, "text") from error
    return TfidfVectorizer(
        lowercase=False,  # `normal` sees to it
        ngram_range=(setting.terms.min_n, setting.terms.max_n),
        vocabulary=vocabulary,
        binary=setting.counts == "once",
        sublinear_tf=setting.counts == "log",
        dtype=np.float32,
        **setting.terms.options(setting.normal),
    )


def _axes(plain: TfIdfEncoder, texts: Texts, n: int, seed: int, machine: Machine) -> Vectors:
    """The directions in which texts differ most, float32 [n_terms, dim]."""
    from scipy.sparse import vstack
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    every, at, parts = -(-n // ENOUGH), 0, []
    for lines in texts.lines():
        some = lines[-at % every :: every]
        at += len(lines)
        if some:
            parts.append(plain.weights(some))
    matrix = vstack(parts, "csr")
    dim = min(plain.setting.dim, *matrix.shape)
    with threadpool_limits(machine.threads):
        _, _, axes = randomized_svd(matrix, dim, random_state=seed)
    return np.ascontiguousarray(axes.T, np.float32)
