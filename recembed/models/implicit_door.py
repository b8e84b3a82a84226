"""The one place where implicit is imported."""

import os
from importlib import import_module
from typing import Any

from recembed.errors import MissingExtra


def implicit_module(name: str) -> Any:
    """A module of implicit, without its advice on OpenBLAS threads: callers limit them.

    Raises: MissingExtra if implicit is not installed.
    """
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit looks here, and warns, when it is imported
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra("matrix factorization and item-kNN", "implicit") from error
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
