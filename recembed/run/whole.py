"""Files outside a run: they are there as a whole, or as they were before."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recembed.errors import DataError


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its place at the end, and goes if there is an error.

    Raises: DataError if something else than a file is there, such as a folder or /dev/null, or the
    disk refuses to write.
    """
    if target.exists() and not target.is_file():
        raise DataError(f"{target} is there and is no file: name another one to write")
    own = f"{os.getpid()}.{secrets.token_hex(4)}"  # two threads may write the same target
    beside = target.with_name(f".{target.name}.{own}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        if error.filename not in (None, str(beside)):  # another file, such as one that is read
            raise
        why = os.strerror(error.errno) if error.errno else str(error).partition("\n")[0]
        raise DataError(f"{target} cannot be written: {why}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
