"""The buckets of n-grams, in compiled code."""

from typing import Any

import numpy as np

from recembed.compiled import njit


@njit(nogil=True, boundscheck=False)
def write_buckets(
    data: Any, offsets: Any, min_n: int, max_n: int, buckets: int, found: Any, sizes: Any
) -> None:
    """Write the bucket of each n-gram into `found`, and how many a word has into `sizes`.

    The hash is FNV-1a over bytes that are signed, as fastText's builds on x86 have them.
    """
    n = 0
    for w in range(len(offsets) - 1):
        before = n
        first, last = offsets[w], offsets[w + 1]
        for start in range(first, last):
            if data[start] & 0xC0 == 0x80:  # inside a character
                continue
            h, stop, length = np.uint32(2166136261), start, 0
            while stop < last and length < max_n:
                while True:  # one more character
                    signed = np.uint32(np.int32(np.int8(data[stop])))
                    h = np.uint32((h ^ signed) * np.uint32(16777619))
                    stop += 1
                    if stop == last or data[stop] & 0xC0 != 0x80:
                        break
                length += 1
                border = length == 1 and (start == first or stop == last)
                if length >= min_n and not border:
                    found[n] = np.int32(np.int64(h) % buckets)
                    n += 1
        sizes[w] = n - before
