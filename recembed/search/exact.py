"""Exact search: every item is scored, so its answers are the truth that others are audited by."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Vectors, blocks
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.protocols import THIS_MACHINE, Machine, TopK
from recembed.search.batch import Batch
from recembed.search.candidates import Candidates, Filter, lengths
from recembed.search.products import bfloat16_product, float32_product
from recembed.search.select import (
    BLOCK,
    MANY,
    Places,
    best,
    best_pairs,
    check_filters,
    clipped,
    empty_top,
    hide,
    joined,
    lower_bound,
)

FEW = 32  # scoring a pair alone costs about this many pairs inside a matrix product
SPARSE = 4  # a mask that leaves less than 1/4 of the items: copying them out is cheaper
ROUGH = 2  # so many times k are scored again after bfloat16: no list of ML-1M changed then
ROUNDING = 2.0**-24  # relative error of one float32 operation
Precision: TypeAlias = Literal["float32", "bfloat16"]
LONGEST = float(np.finfo(np.float32).max) / 4


class ExactIndex:
    """Scores every known item.

    A matrix product finds what may belong to the list within its rounding error; those items are
    scored again in float64. So the answer does not depend on the batch, the block, the threads or
    the BLAS: one query is answered exactly as among thousands, and equal vectors always tie.

    precision "bfloat16": for many queries the product is of factors rounded to bfloat16, which has
    8 bits; more than k are scored again, but a list may miss an item. It pays only where the
    processor multiplies bfloat16 (AVX-512 BF16, AMX); elsewhere it is many times slower.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        machine: Machine = THIS_MACHINE,
        precision: Precision = "float32",
    ) -> None:
        if precision not in get_args(Precision):
            raise DataError(f"precision is 'float32' or 'bfloat16', not {precision!r}")
        self.candidates = Candidates.of(embeddings)
        self.longest = float(lengths(self.candidates.vectors).max(initial=0))
        self.machine, self.precision = machine, precision

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        exclude: Sequences | None = None,
        allow: Mask | Sequences | None = None,
    ) -> TopK:
        """The best min(k, eligible) items of each query [q, dim]; k is clipped to the catalogue.

        Scores are cosines where the embeddings were trained for them, else dot products; a query
        of zeros scores 0 everywhere. exclude, allow: one sequence of rows a query, or a mask [n].

        Raises: DataError if k, the queries or the filters do not fit.
        """
        queries = self.candidates.prepared(queries)
        k = clipped(k, self.candidates.n)
        check_filters(exclude, allow, len(queries), self.candidates.n)
        m = len(self.candidates)
        if isinstance(allow, Sequences):
            if FEW * len(allow.values) <= len(queries) * m:
                return self._listed(queries, k, exclude, allow)
            return self._dense(self.candidates, queries, k, exclude, allow)
        if allow is None:
            return self._dense(self.candidates, queries, k, exclude, None)
        mask = allow[self.candidates.rows]
        if SPARSE * np.count_nonzero(mask) >= m:
            return self._dense(self.candidates, queries, k, exclude, mask)
        narrow = self.candidates.narrow(np.flatnonzero(mask))
        return self._dense(narrow, queries, k, exclude, None)

    def _listed(
        self, queries: Vectors, k: int, exclude: Sequences | None, allow: Sequences
    ) -> TopK:
        """Scores nothing but the pairs that are allowed."""
        owners, places = Filter.of(self.candidates, len(queries), exclude, allow).pairs()
        scores = self.candidates.dots(queries, owners, places, self.machine.memory)
        return self.candidates.as_rows(best_pairs(owners, places, scores, len(queries), k))

    def _dense(
        self,
        candidates: Candidates,
        queries: Vectors,
        k: int,
        exclude: Sequences | None,
        allow: Mask | Sequences | None,
    ) -> TopK:
        """Scores all candidates; a mask `allow` is over places here."""
        if not len(candidates):
            return empty_top(len(queries), k)
        if len(queries) < MANY or isinstance(allow, Sequences):
            return self._few(candidates, queries, k, exclude, allow)
        top = self._batch(candidates, queries, k, exclude, allow).search(k, self.machine)
        left = np.flatnonzero(top.tied < 0)
        if len(left):  # most of the catalogue ties, as for a query of zeros
            barred = exclude and exclude.take(left)
            few = self._few(candidates, queries[left], k, barred, allow)
            top.rows[left], top.scores[left], top.tied[left] = few.rows, few.scores, few.tied
        return top

    def _batch(
        self,
        candidates: Candidates,
        queries: Vectors,
        k: int,
        exclude: Sequences | None,
        allow: Mask | None,
    ) -> Batch:
        rough = self.precision == "bfloat16"
        margins = self._margins(queries)
        nobody = Sequences(np.zeros(0, np.int32), np.zeros(len(queries) + 1, np.int64))
        return Batch(
            candidates,
            queries,
            (bfloat16_product if rough else float32_product)(queries, candidates.vectors),
            np.zeros(len(queries)) if rough else margins,
            reach=ROUGH * k + 64 if rough else k,
            exclude=nobody if exclude is None else exclude,
            barred=np.flatnonzero(~allow) if allow is not None else np.zeros(0, np.int64),
        )

    def _few(
        self,
        candidates: Candidates,
        queries: Vectors,
        k: int,
        exclude: Sequences | None,
        allow: Mask | Sequences | None,
    ) -> TopK:
        """By NumPy alone: a few queries are answered before compiled code would be loaded."""
        exclude = exclude and candidates.places(exclude)
        allow = candidates.places(allow) if isinstance(allow, Sequences) else allow
        margins = self._margins(queries)
        parts = []
        for block in blocks(len(queries), 4 * len(candidates), min(self.machine.memory, BLOCK)):
            scores = queries[block] @ candidates.vectors.T  # [block, m]
            hide(scores, block, None, exclude, allow)
            parts.append(self._top(candidates, queries[block], scores, margins[block], k))
        return candidates.as_rows(joined(parts, k))

    def _margins(self, queries: Vectors) -> NDArray[np.float64]:
        """How far a float32 score may be from the true one, times two; 0 where it is exact.

        Two roundings beside the product's: of the true score, and of a bound less a margin.
        Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1.
        """
        largest = lengths(queries) * self.longest
        if largest.max(initial=0) > LONGEST:
            raise DataError(
                f"scores of up to {largest.max():.1e} do not fit into float32: scale the vectors"
            )
        dim = queries.shape[1]
        margins = 2 * ((dim + 3) * ROUNDING * largest + dim * float(np.finfo(np.float32).tiny))
        return np.where(largest > 0, margins, 0.0)

    def _top(
        self,
        candidates: Candidates,
        queries: Vectors,
        scores: Vectors,
        margins: NDArray[np.float64],
        k: int,
    ) -> TopK:
        """Top-k of one block: by `scores` [b, m] within their margins, then by true scores."""
        picked, ties = [], np.full(len(scores), -1)
        for i, row in enumerate(scores):
            if margins[i] > 0:
                picked.append(_reach(row, k, margins[i]))
            else:
                places, ties[i] = best(row, min(k, len(row)))
                picked.append(places)
        owners = np.repeat(np.arange(len(scores)), [len(places) for places in picked])
        places = np.concatenate(picked)
        true = candidates.dots(queries, owners, places, self.machine.memory)
        top = best_pairs(owners, places, true, len(scores), k)
        np.copyto(top.tied, ties, where=ties >= 0, casting="same_kind")
        return top


def _reach(row: Vectors, k: int, margin: float) -> Places:
    """Places whose true score may be among the best k, ascending."""
    k = min(k, len(row))
    places = np.flatnonzero(row >= _below(float(lower_bound(row, k)), margin))
    if len(places) <= k:
        return places
    values = row[places]
    kth = float(np.partition(values, len(values) - k)[len(values) - k])
    return places[values >= _below(kth, margin)]


def _below(score: float, margin: float) -> np.float32:
    """A float32 at or below score - margin, above -inf: nothing masked reaches it."""
    return np.float32(max(np.nextafter(np.float32(score - margin), np.float32(-np.inf)), -LONGEST))
