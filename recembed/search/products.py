"""Matrix products inside threads, each with one thread of the BLAS, in float32 or bfloat16."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from recembed.arrays import Vectors
from recembed.errors import MissingExtra

Product = Callable[[slice, slice, Vectors], object]


def float32_product(queries: Vectors, vectors: Vectors) -> Product:
    """product(block, items, out) writes queries[block] times vectors[items] into out."""
    return lambda block, items, out: np.matmul(queries[block], vectors[items].T, out=out)


def bfloat16_product(queries: Vectors, vectors: Vectors) -> Product:
    """The same from factors rounded to bfloat16, by torch.

    Raises: MissingExtra without torch.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("bfloat16 scores", "torch") from error
    left, right = (torch.tensor(each, dtype=torch.bfloat16) for each in (queries, vectors))

    def product(block: slice, items: slice, out: Vectors) -> None:
        torch.from_numpy(out).copy_(left[block] @ right[items].T)

    return product


@contextmanager
def one_search() -> Iterator[None]:
    """No other search has threads of its own meanwhile: BLAS libraries are of the whole process."""
    with _TURN, one_thread():
        yield


def one_thread() -> AbstractContextManager[object]:
    """Matrix products take one thread; some libraries have to be told so in every thread."""
    limit: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limit


_TURN = threading.Lock()


@lru_cache
def _blas() -> Any:
    """The BLAS libraries of this process; looking for them takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
