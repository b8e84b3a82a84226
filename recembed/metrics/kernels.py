"""Loops in compiled code; loaded where lists are measured, not where a report is read."""

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, boundscheck=False)
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


@njit(cache=True, nogil=True, boundscheck=False)
def groups(scores: Any, cases: Any, places: Any, starts: Any, sizes: Any) -> None:
    """Where the run of scores that equal scores[cases[i], places[i]] begins, and how long it is."""
    for i in range(len(cases)):
        line, first, stop = scores[cases[i]], places[i], places[i] + 1
        while first > 0 and line[first - 1] == line[places[i]]:
            first -= 1
        while stop < len(line) and line[stop] == line[places[i]]:
            stop += 1
        starts[i], sizes[i] = first, stop - first
