"""Numba's compiler, so that its work is kept on disk wherever there is a folder for it."""

from collections.abc import Callable
from typing import Any


def njit(*signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit with cache=True; where no folder can be written, each process compiles anew."""
    import numba

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # no place for a cache: a read-only installation, nobody's account
            return numba.njit(*signature, **options)(function)

    return compiled
