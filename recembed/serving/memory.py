"""Memory of a process that serves for weeks: what a replaced run held goes back to the system."""

import ctypes
from contextlib import suppress

import pyarrow as pa

M_MMAP_THRESHOLD = -3  # glibc's malloc.h
LARGE = 2**20  # bytes: a run's tables, but not the scores of one question


def keep_apart() -> None:
    """Have glibc give each large array pages of its own, which go when the array goes.

    Left alone it raises this limit with what is freed, so that the tables of later runs lie in the
    heap between small things, and holes stay behind. Arrow's own pool keeps what was freed; it asks
    glibc instead.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
