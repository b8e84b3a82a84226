"""The best of a row of scores, compiled: bounds that enough of them reach, and the sorted list.

A row is values[:n], float32 without NaN; -inf is not eligible.
"""

from typing import Any

import numpy as np
from numba import float32, int64, njit, uint32
from numba.extending import register_jitable

from recembed.search.candidates import LANES
from recembed.search.simd import bits, counted, maxima, of_bits, outranked, positions

GROUP = 32  # scores that share one maximum at most: 70,000 shrink to 2,187 that hold the k-th
FEW = 256  # up to so many, comparing each with each is quicker than sorting by bytes
CHUNK = 256  # scores looked through before there has to be room for more; in LANES
ALL = 0x7FFFFFFF  # the bits of a float32 but for its sign
BYTES, LAST = 256, np.uint32(255)
LOWEST = np.finfo(np.float32).min

# compiled with whom it is called by, and for nobody else
inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@register_jitable
def room(k: int, n: int) -> int:
    """Candidates kept for a list of k of n: so many are seen before some are dropped."""
    return min(n, 2 * k + 256) + CHUNK + LANES


@inner
def _key(score: Any) -> Any:
    """Whole numbers in the order of the scores; neighbouring float32 are 1 apart."""
    whole = bits(score)
    return whole ^ ALL if whole < 0 else whole


@inner
def _score(key: Any) -> Any:
    return of_bits(key ^ ALL if key < 0 else key)


@inner
def append(values: Any, start: int, stop: int, least: Any, first: int, out: Any, n: int) -> Any:
    """Write first + j to out[n:] for all j of start .. stop - 1 that reach `least`; the new n.

    There has to be room for LANES more.
    """
    whole = stop - (stop - start) % LANES
    n = positions(values, start, whole, least, first, out, n)
    for at in range(whole, stop):
        out[n] = first + at
        n += values[at] >= least
    return n


@inner
def _count(values: Any, n: int, least: Any) -> int:
    whole = n - n % LANES
    count = counted(values, whole, least)
    for at in range(whole, n):
        count += values[at] >= least
    return count  # type: ignore[no-any-return]


@inner
def _reached_by(values: Any, n: int, k: int, slack: int) -> Any:
    """A score that k to k + slack of a row reach, or the k-th highest where many equal it.

    The lowest of all if fewer than k are eligible.
    """
    low, above = _key(float32(LOWEST)), _key(float32(np.inf)) + 1
    if _count(values, n, float32(LOWEST)) < k:
        return float32(LOWEST)
    while above - low > 1:  # k reach low, fewer than k reach above
        middle = (low + above) >> 1
        count = _count(values, n, _score(middle))
        if count < k:
            above = middle
            continue
        low = middle
        if count <= k + slack:
            break
    return _score(low)


@inner
def bound(values: Any, n: int, k: int, spare: Any) -> Any:
    """A score that k of a row reach and not many more; the lowest of all if there may be none."""
    group = min(GROUP, n // (4 * k))
    slack = k >> 3  # a finer bound takes more passes than it saves candidates
    if group < 2:
        return _reached_by(values, n, k, slack)
    width = n // group // LANES * LANES
    maxima(values, width, group, spare)  # the last few scores may be left out: still a bound
    return _reached_by(spare, width, k, slack)


@inner
def scratch(n: int, k: int) -> Any:
    """What `best` works in, for rows of n at most."""
    size = room(k, n) + k
    return (
        np.empty(max(n, size), np.float32),
        np.empty(size, np.int32),
        np.empty((3, size), np.uint32),
        np.empty(BYTES, np.int32),
    )


@inner
def best(values: Any, n: int, k: int, work: Any) -> Any:
    """How many of a row are listed, and how many equal the last of them.

    The `order` of `work` then begins with their positions, best first, equal ones ascending.
    """
    spare, order = work[0], work[1]
    most = len(order) - k - LANES
    least, reach = float32(LOWEST), n
    if n > most:
        least = bound(values, n, k, spare)
        reach = _count(values, n, least)
        if reach > most:  # equal scores, mostly
            least = _reached_by(values, n, k, 0)
            reach = _count(values, n, least)
    if reach <= most:
        found = append(values, 0, n, least, 0, order, 0)
    else:
        found = _first(values, n, least, k, order)
    _sort(values, order, found, work)
    size = min(k, found)
    if size == 0:
        return size, size
    last = values[order[size - 1]]
    return size, _count(values, n, last) - _count(values, n, _score(_key(last) + 1))


@inner
def _first(values: Any, n: int, kth: Any, k: int, order: Any) -> int:
    """Positions of what is above the k-th score, and of the first k that equal it."""
    found = equal = 0
    for at in range(n):
        if values[at] > kth or (values[at] == kth and equal < k):
            order[found] = at
            found += 1
            equal += values[at] == kth
    return found


@inner
def _sort(values: Any, order: Any, n: int, work: Any) -> None:
    """Sort the positions order[:n], highest score first, equal scores as they stand."""
    spare, keys = work[0], work[2]
    if n <= FEW:
        for c in range(n):
            spare[c], keys[1, c], keys[2, c] = values[order[c]], 0, order[c]
        outranked(spare, n, keys[0])
        for c in range(n):
            rank = keys[0, c]
            order[rank + keys[1, rank]] = keys[2, c]
            keys[1, rank] += 1
        return
    differ = uint32(0)
    for c in range(n):
        keys[0, c] = uint32(ALL - _key(values[order[c]]))
        differ |= keys[0, c] ^ keys[0, 0]
    for byte in range(4):  # the last one first
        if (differ >> uint32(8 * byte)) & LAST:
            _sort_by(uint32(8 * byte), order, n, keys, work[3])


@inner
def _sort_by(shift: Any, order: Any, n: int, keys: Any, counts: Any) -> None:
    for value in range(BYTES):
        counts[value] = 0
    for c in range(n):
        counts[(keys[0, c] >> shift) & LAST] += 1
    total = int64(0)
    for value in range(BYTES):
        here = counts[value]
        counts[value] = total
        total += here
    for c in range(n):
        value = (keys[0, c] >> shift) & LAST
        to = counts[value]
        counts[value] = to + 1
        keys[1, to], keys[2, to] = keys[0, c], order[c]
    for c in range(n):
        keys[0, c], order[c] = keys[1, c], keys[2, c]
