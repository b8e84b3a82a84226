"""Files outside a run: they are there as a whole, or as they were before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recembed.errors import DataError


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its place at the end, and goes if there is an error.

    Raises: DataError if something else than a file is there, such as a folder or /dev/null.
    """
    if target.exists() and not target.is_file():
        raise DataError(f"{target} is there and is no file: name another one to write")
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
