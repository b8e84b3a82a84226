"""What an encoder's vectors are worth: to tell how alike texts are, and to find one by another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import PerCase, Vectors, blocks, offsets_of, unit
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.metrics.accuracy import mrr, recall
from recembed.metrics.correlation import Correlation
from recembed.metrics.intervals import Interval, Resamples
from recembed.metrics.places import Places, places_of
from recembed.protocols import THIS_MACHINE, Machine, TopK
from recembed.search.exact import ExactIndex
from recembed.seed import rng
from recembed.text.encoder import Encoder
from recembed.text.encoding import Encoded, encoded
from recembed.text.pairs import TextPairs

MEMORY = 1 << 26  # bytes of vectors or distances at once
DEPTH = 10  # how far lists of found texts reach
SPREAD = 4096  # texts whose distances tell uniformity: 8 million of them
ALIKE = 0.8  # of the range of scores: above 4 of 5, as Gao et al. 2021 (SimCSE) take STS-B's


@dataclass
class Tally:
    """Texts that were encoded; how many were empty, unknown to the encoder, cut, or no UTF-8."""

    texts: int = 0
    empty: int = 0
    unknown: int = 0
    cut: int = 0
    replaced: int = 0

    def of(self, found: Encoded) -> Vectors:
        """Count them, and give their vectors."""
        self.texts += len(found.vectors)
        self.empty += found.empty
        self.unknown += found.unknown
        self.cut += found.cut
        return found.vectors

    def told(self) -> str:
        """`2 empty, 1 cut`; nothing where all is well."""
        odd = ("empty", "unknown", "cut", "replaced")
        return ", ".join(f"{getattr(self, name):,} {name}" for name in odd if getattr(self, name))


@dataclass(frozen=True)
class Space:
    """How vectors lie on the sphere; less is better, nan where there is nothing to tell it from.

    alignment: mean squared distance of texts that are alike. uniformity: log of the mean of
    exp(-2 d^2) over the distances d of different texts.
    Source: Wang, Isola 2020 (arXiv 2005.10242).
    """

    alignment: float
    uniformity: float


@dataclass(frozen=True)
class Likeness:
    """Correlations of cosines with people's scores, nan where either is the same for all pairs."""

    test: str
    pairs: int
    spearman: Interval
    pearson: Interval
    space: Space
    tally: Tally


@dataclass(frozen=True)
class Retrieval:
    """How well first texts find the second texts of their pairs among all `candidates`.

    recall: share of the texts that belong to a query. mrr: 1 / place of the first of them.
    """

    test: str
    pairs: int
    queries: int
    candidates: int
    recall_at_1: Interval
    recall_at_10: Interval
    mrr_at_10: Interval
    space: Space
    tally: Tally


def likeness(encoder: Encoder, pairs: TextPairs, test: str = "", *, seed: int = 0) -> Likeness:
    """Compare cosines with the scores of pairs; intervals are over pairs.

    Raises: DataError if pairs have no scores.
    """
    tally = Tally()
    both = correlation(encoder, pairs, tally)
    resamples = Resamples(np.arange(len(pairs)), seed=seed)
    low, high = both.second.min(), both.second.max()
    alike = both.first[both.second > low + ALIKE * (high - low)]
    return Likeness(
        test,
        len(pairs),
        resamples.interval_of(both.spearman),
        resamples.interval_of(both.pearson),
        _space(encoder, pairs, alike, seed),
        tally,
    )


def correlation(encoder: Encoder, pairs: TextPairs, tally: Tally | None = None) -> Correlation:
    """Cosines of pairs beside their scores; a text without a vector has the cosine 0.

    Raises: DataError if pairs have no scores.
    """
    if pairs.scores is None:
        raise DataError("these pairs have no scores to compare cosines with")
    tally = Tally() if tally is None else tally
    cosines = np.empty(len(pairs))
    for part in blocks(len(pairs), 2 * 4 * encoder.dim, MEMORY):
        one = unit(tally.of(encoded(encoder, pairs.first[part])))
        other = unit(tally.of(encoded(encoder, pairs.second[part])))
        cosines[part] = np.einsum("nd,nd->n", one, other)
    return Correlation(cosines, pairs.scores.astype(np.float64))


def retrieval(
    encoder: Encoder,
    pairs: TextPairs,
    test: str = "",
    *,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
) -> Retrieval:
    """Look for second texts by first ones, by exact search; negatives are candidates, too.

    Equal texts are one query, and one candidate. Those that are level count as in any order.
    Intervals are over queries.
    """
    tally = Tally()
    found = _Found.of(encoder, pairs, tally, machine)
    resamples = Resamples(np.arange(len(found.places)), seed=seed)
    columns = [recall(found.places, 1), recall(found.places, found.depth), found.mrr]
    first, ten, reciprocal = resamples.intervals(columns)
    return Retrieval(
        test,
        len(pairs),
        len(found.places),
        found.candidates,
        first,
        ten,
        reciprocal,
        _space(encoder, pairs, found.cosines, seed),
        tally,
    )


def judged(encoder: Encoder, pairs: TextPairs, machine: Machine = THIS_MACHINE) -> float:
    """One number to choose by: Spearman's correlation, or mrr@10 where pairs have no scores."""
    if pairs.scores is None:
        return float(_Found.of(encoder, pairs, Tally(), machine).mrr.mean())
    value = correlation(encoder, pairs).spearman()
    return 0.0 if math.isnan(value) else value


@dataclass(frozen=True, eq=False)
class _Found:
    """places: of the texts that belong to each query. cosines: of the pairs, [n_pairs]."""

    places: Places
    candidates: int
    cosines: PerCase

    @property
    def depth(self) -> int:
        return self.places.depth

    @property
    def mrr(self) -> PerCase:
        return mrr(self.places, self.depth)

    @classmethod
    def of(cls, encoder: Encoder, pairs: TextPairs, tally: Tally, machine: Machine) -> "_Found":
        queries, query = _distinct(pairs.first)
        candidates, candidate = _distinct([*pairs.second, *(pairs.negatives or ())])
        candidate = candidate[: len(pairs)]
        asked = unit(tally.of(encoded(encoder, queries)))
        table = unit(tally.of(encoded(encoder, candidates)))
        numbered = Vocabulary.numbered(len(table), "text")
        known = np.ones(len(table), np.bool_)
        index = ExactIndex(Embeddings(numbered, table, known, "cosine"), machine)
        wanted = _targets(query, candidate, len(queries))

        def level(at: NDArray[np.int64]) -> TopK:
            own = wanted.take(at)
            return index.search(asked[at], int(own.sizes.max()), allow=own)

        cosines = np.empty(len(pairs))
        for part in blocks(len(pairs), 2 * 4 * encoder.dim, MEMORY):
            cosines[part] = np.einsum("nd,nd->n", asked[query[part]], table[candidate[part]])
        return cls(places_of(index.search(asked, DEPTH), wanted, level), len(table), cosines)


def _targets(queries: NDArray[np.int64], rows: NDArray[np.int64], n: int) -> Sequences:
    """The different candidates that belong to each of n queries."""
    pairs = np.unique(np.stack([queries, rows], axis=1), axis=0)
    return Sequences(
        pairs[:, 1].astype(np.int32), offsets_of(np.bincount(pairs[:, 0], minlength=n))
    )


def _distinct(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Each text once, and which of them each one is."""
    row_of: dict[str, int] = {}
    rows = [row_of.setdefault(text, len(row_of)) for text in texts]
    return list(row_of), np.array(rows, np.int64)


def _space(encoder: Encoder, pairs: TextPairs, alike: PerCase, seed: int) -> Space:
    """alike: cosines of pairs that belong together."""
    texts, _ = _distinct([*pairs.first, *pairs.second])
    most = max(2, min(SPREAD, MEMORY // (4 * encoder.dim)))
    if len(texts) > most:
        drawn = rng(seed, "uniformity").choice(len(texts), most, replace=False)
        texts = [texts[row] for row in drawn.tolist()]
    vectors = unit(encoded(encoder, texts).vectors)
    vectors = vectors[vectors.any(axis=1)]  # an unknown text lies nowhere on the sphere
    alignment = max(float(2 - 2 * alike.mean()), 0.0) if len(alike) else math.nan
    return Space(alignment, uniformity(vectors) if len(vectors) > 1 else math.nan)


def uniformity(vectors: Vectors) -> float:
    """The log of the mean of exp(-2 |x - y|^2) over different rows of unit length, at least two.

    |x - y|^2 is 2 - 2 x.y; of a row with itself it is 0, which is 1 of the sum.
    """
    n, total = len(vectors), 0.0
    for part in blocks(n, 8 * n, MEMORY):
        total += float(np.exp(4 * (vectors[part] @ vectors.T).astype(np.float64) - 4).sum())
    return math.log(max(total - n, np.finfo(np.float64).tiny) / (n * (n - 1)))
