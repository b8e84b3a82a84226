"""Array types and the few operations on ragged arrays that everything shares."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.int32]
Offsets: TypeAlias = NDArray[np.int64]
Times: TypeAlias = NDArray[np.int64]
Vectors: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
PerCase: TypeAlias = NDArray[np.float64]  # a value of each case

RADIX = 1 << 16  # numpy's stable sort of 16-bit integers is a radix sort, linear in the length


def offsets_of(sizes: NDArray[np.integer]) -> Offsets:
    """Offsets [n+1] of ragged rows whose lengths are `sizes` [n]."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions start..start+size-1 of every range, one after another, [sum(sizes)]."""
    offsets = offsets_of(sizes)
    return np.repeat(starts - offsets[:-1], sizes) + np.arange(offsets[-1])


def run_starts(*keys: NDArray[np.generic]) -> NDArray[np.int64]:
    """Where a new run of equal values begins in any of the aligned `keys`."""
    changes = np.zeros(len(keys[0]), np.bool_)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes)


def stable_order(keys: NDArray[np.integer]) -> NDArray[np.int64]:
    """Positions that sort non-negative `keys`, equal keys in their old order, in linear time."""
    starts = run_starts(keys)
    if 2 * len(starts) >= len(keys):
        return _radix_order(keys)
    order = _radix_order(keys[starts])  # equal neighbours move together: sort runs, not values
    return ranges(starts[order], np.diff(starts, append=len(keys))[order])


def _radix_order(keys: NDArray[np.integer]) -> NDArray[np.int64]:
    if keys.dtype.itemsize <= 2:
        return np.argsort(keys, kind="stable")
    order = np.argsort((keys % RADIX).astype(np.uint16), kind="stable")
    high = keys // RADIX
    while len(keys) and high.max() > 0:
        order = order[np.argsort((high % RADIX).astype(np.uint16)[order], kind="stable")]
        high = high // RADIX
    return order


def blocks(n: int, bytes_per_row: int, memory: int) -> Iterator[slice]:
    """Slices of at least one row that cover 0..n-1, each within `memory` bytes where it can be."""
    step = max(1, memory // max(1, bytes_per_row))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def blocks_of(sizes: NDArray[np.int64], memory: int) -> Iterator[slice]:
    """Slices of at least one row that cover all, whose `sizes` [n] add up to `memory` at most."""
    offsets, start = offsets_of(sizes), 0
    while start < len(sizes):
        full = int(np.searchsorted(offsets, offsets[start] + memory, side="right")) - 1
        stop = max(start + 1, full)
        yield slice(start, stop)
        start = stop


def unit(vectors: Vectors) -> Vectors:
    """Vectors [n, dim] of length 1; zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
