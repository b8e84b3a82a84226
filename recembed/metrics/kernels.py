"""Loops in compiled code; loaded where lists are measured, not where a report is read."""

from typing import Any

import numpy as np

from recembed.compiled import njit


@njit(nogil=True, boundscheck=False)
def find(rows: Any, values: Any, offsets: Any, place: Any, found: Any) -> None:
    """found[v]: the place of values[v] in its own case's list, -1 where it is not listed.

    place: scratch, an entry an item, all -1 before and after.
    """
    for case in range(len(rows)):
        for p in range(rows.shape[1]):
            if rows[case, p] >= 0:
                place[rows[case, p]] = p
        for v in range(offsets[case], offsets[case + 1]):
            found[v] = place[values[v]]
        for p in range(rows.shape[1]):
            if rows[case, p] >= 0:
                place[rows[case, p]] = -1


@njit(nogil=True, boundscheck=False)
def groups(scores: Any, cases: Any, places: Any, starts: Any, sizes: Any) -> None:
    """Where the run of scores that equal scores[cases[i], places[i]] begins, and how long it is."""
    for i in range(len(cases)):
        line, first, stop = scores[cases[i]], places[i], places[i] + 1
        while first > 0 and line[first - 1] == line[places[i]]:
            first -= 1
        while stop < len(line) and line[stop] == line[places[i]]:
            stop += 1
        starts[i], sizes[i] = first, stop - first


@njit(nogil=True, boundscheck=False, fastmath={"reassoc", "contract"})
def spread_of_vectors(rows: Any, vectors: Any, known: Any, found: Any) -> None:
    """found[case]: 1 - mean dot product over pairs of known listed items, if there are two.

    All pairs at once: their sum is (|sum of vectors|^2 - sum of |vector|^2) / 2.
    """
    dim = vectors.shape[1]
    total = np.empty(dim)
    for case in range(len(rows)):
        n, own, whole = 0, 0.0, 0.0
        total[:] = 0
        for p in range(rows.shape[1]):
            row = rows[case, p]
            if row < 0 or not known[row]:
                continue
            n += 1
            for d in range(dim):
                x = np.float64(vectors[row, d])
                total[d] += x
                own += x * x
        for d in range(dim):
            whole += total[d] * total[d]
        if n > 1:
            found[case] = 1 - (whole - own) / (n * (n - 1))


@njit(nogil=True, boundscheck=False)
def spread_of_sets(rows: Any, values: Any, offsets: Any, mark: Any, found: Any) -> None:
    """found[case]: 1 - mean Jaccard over pairs of listed items that have a set, if there are two.

    mark: scratch, an entry a value, all -1.
    """
    for case in range(len(rows)):
        n, alike = 0, 0.0
        for p in range(rows.shape[1]):
            one = rows[case, p]
            if one < 0 or offsets[one] == offsets[one + 1]:
                continue
            n += 1
            stamp = case * rows.shape[1] + p
            for v in range(offsets[one], offsets[one + 1]):
                mark[values[v]] = stamp
            for q in range(p):
                other = rows[case, q]
                if other < 0:
                    continue
                members = values[offsets[other] : offsets[other + 1]]
                alike += _jaccard(members, offsets[one + 1] - offsets[one], mark, stamp)
        if n > 1:
            found[case] = 1 - 2 * alike / (n * (n - 1))


@njit(inline="always")
def _jaccard(members: Any, size: int, mark: Any, stamp: int) -> float:
    """Of a set, and one of `size` members that bear the stamp."""
    both = 0
    for member in members:
        both += mark[member] == stamp
    return both / (size + len(members) - both)
