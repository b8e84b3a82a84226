"""Compiled search: what may belong to the lists, and the lists. Nothing here needs the GIL.

Numba stores kernels on disk and looks at this file alone; what they are made of is a constant of
theirs, so that no change is missed.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import float32, float64, int32, int64, types, void

from recembed.compiled import njit
from recembed.search.candidates import LANES
from recembed.search.order import CHUNK, LOWEST, append, best, bound, inner, scratch
from recembed.search.simd import product

_PARTS = ("candidates", "order", "simd")
VERSION = sha256(
    b"".join(Path(__file__).with_name(f"{part}.py").read_bytes() for part in _PARTS)
).hexdigest()
_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}
NOTHING = -np.float32(np.inf)


def _given(kind: Any, ndim: int) -> Any:
    """An array that is read, so that a mapped file does as well: one kernel for both."""
    return types.Array(kind, ndim, "C", readonly=True)


@inner
def _true(query: Any, table: Any, places: Any, n: int, out: Any) -> None:
    """Query [dim] in float64 times n rows of a float32 table; `Candidates.dots` sums like this."""
    dim = len(query)
    whole = dim - dim % LANES
    for c in range(n):
        start = int64(places[c]) * dim
        total = product(query, table, start, whole)
        for j in range(whole, dim):
            total += query[j] * float64(table[places[c], j])
        out[c] = total


@inner
def _lowered(least: Any, margin: float) -> Any:
    """A bound less a margin; what is not eligible is below it."""
    return float32(max(float64(least) - margin, float64(LOWEST)))


@inner
def _kept(scores: Any, places: Any, n: int, least: Any) -> int:
    """Drop those of n candidates that do not reach a bound; how many are left."""
    left = 0
    for c in range(n):
        score, place = scores[c], places[c]
        scores[left], places[left] = score, place
        left += score >= least
    return left


@inner
def _hide(scores: Any, first: int, barred: Any, excluded: Any, place_of: Any) -> None:
    for place in barred:
        scores[place - first] = NOTHING
    for row in excluded:
        at = place_of[row] - first
        if 0 <= at < len(scores):
            scores[at] = NOTHING


@inner
def _collect(  # noqa: PLR0913 - arrays
    scores: Any,
    first: int,
    k: int,
    margin: float,
    least: Any,
    found: Any,
    places: Any,
    n: int,
    spare: Any,
) -> Any:
    """Add those of a row of scores that reach `least`, which rises with what is found.

    How many there are now, -1 if there is no room, and the bound.
    """
    width = len(scores)
    for start in range(0, width, CHUNK):
        if n + CHUNK + LANES > len(found):
            least = max(least, _lowered(bound(found, n, k, spare), margin))
            n = _kept(found, places, n, least)
            if n + CHUNK + LANES > len(found):
                return -1, least
        stop = min(start + CHUNK, width)
        before = n
        n = append(scores, start, stop, least, first, places, n)
        for c in range(before, n):
            found[c] = scores[places[c] - first]
    return n, least


@lru_cache
def gather() -> Callable[..., None]:
    """The kernel that adds to the candidates of queries what a tile of scores has."""
    version = VERSION

    @njit(
        void(
            float32[:, ::1],
            int64,
            *(_given(kind, 1) for kind in (int64, int32, int64, int32)),
            int64,
            _given(float64, 1),
            float32[::1],
            float32[:, ::1],
            int32[:, ::1],
            int64[::1],
        ),
        **_OPTIONS,
    )
    def run(  # noqa: PLR0913 - arrays
        scores: Any,  # [b, width] of places first .. first + width - 1; changed
        first: int,
        barred: Any,  # [x] places among them that no query may list
        excluded: Any,  # rows; query i may not list excluded[offsets[i] : offsets[i + 1]]
        offsets: Any,  # [b + 1]
        place_of: Any,  # [n], -1: no candidate
        k: int,
        margins: Any,  # [b] how far below the k-th score candidates are looked for
        bounds: Any,  # [b] candidates reach it; kept from tile to tile, like the next ones
        found: Any,  # [b, room] scores of candidates
        places: Any,  # [b, room] their places, ascending
        sizes: Any,  # [b] how many, -1: more than there is room for
    ) -> None:
        version  # noqa: B018 - part of the key that compiled code is stored under
        width = scores.shape[1]
        spare = np.empty(max(width, found.shape[1]), np.float32)
        for i in range(len(sizes)):
            _hide(scores[i], first, barred, excluded[offsets[i] : offsets[i + 1]], place_of)
            if first == 0:
                bounds[i] = _lowered(bound(scores[i], width, k, spare), margins[i])
            if sizes[i] >= 0:
                sizes[i], bounds[i] = _collect(
                    scores[i], first, k, margins[i], bounds[i], found[i], places[i], sizes[i], spare
                )

    return run  # type: ignore[no-any-return]


@lru_cache
def answer() -> Callable[..., None]:
    """The kernel that lists the best candidates by their true scores; tied -1: see sizes."""
    version = VERSION

    @njit(
        void(
            *(_given(float32, 2) for _ in range(2)),
            _given(int32, 1),
            _given(int32, 2),
            _given(int64, 1),
            int32[:, ::1],
            float32[:, ::1],
            int32[::1],
        ),
        **_OPTIONS,
    )
    def run(  # noqa: PLR0913 - arrays
        queries: Any,  # [b, dim]
        vectors: Any,  # [m, dim]
        names: Any,  # [m] the row of each place
        places: Any,  # [b, room] candidates, ascending
        sizes: Any,  # [b] how many, -1: unknown
        rows: Any,  # [b, k] out
        scores: Any,  # [b, k] out
        tied: Any,  # [b] out
    ) -> None:
        version  # noqa: B018 - part of the key that compiled code is stored under
        k, most = rows.shape[1], places.shape[1]
        work, true = scratch(most, k), np.empty(most, np.float32)
        order, query = work[1], np.empty(queries.shape[1])
        for i in range(len(sizes)):
            if sizes[i] < 0:
                tied[i] = -1
                continue
            for j in range(len(query)):
                query[j] = queries[i, j]
            _true(query, vectors, places[i], sizes[i], true)
            size, tied[i] = best(true, sizes[i], k, work)
            for r in range(size):
                rows[i, r], scores[i, r] = names[places[i, order[r]]], true[order[r]]
            for r in range(size, k):
                rows[i, r], scores[i, r] = -1, NOTHING

    return run  # type: ignore[no-any-return]


@lru_cache
def select() -> Callable[..., None]:
    """The kernel that lists the best of each row of given scores."""
    version = VERSION

    @njit(void(_given(float32, 2), int32[:, ::1], float32[:, ::1], int32[::1]), **_OPTIONS)
    def run(
        given: Any,  # [b, n]
        rows: Any,  # [b, k] out
        scores: Any,  # [b, k] out
        tied: Any,  # [b] out
    ) -> None:
        version  # noqa: B018 - part of the key that compiled code is stored under
        k, n = rows.shape[1], given.shape[1]
        work, row = scratch(n, k), np.empty(n, np.float32)
        order = work[1]
        for i in range(len(given)):
            for j in range(n):
                row[j] = given[i, j]
            size, tied[i] = best(row, n, k, work)
            for r in range(size):
                rows[i, r], scores[i, r] = order[r], row[order[r]]
            for r in range(size, k):
                rows[i, r], scores[i, r] = -1, NOTHING

    return run  # type: ignore[no-any-return]
