"""The sha256 of files; of large ones it is remembered, so that the next start need not read them.

What is remembered holds while a file's size, times and inode stay the same.
"""

import hashlib
import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from recembed.errors import DataError
from recembed.run.whole import whole

LARGE = 500_000_000  # bytes, which are hashed in about 0.4 s
SETTLED = 2_000_000_000  # nanoseconds: a younger file may change again within a tick of its clock
ONE_AT_A_TIME = threading.Lock()


def sha256_of(path: Path) -> str:
    """sha256 of a file's content, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def found_sha256(path: Path) -> str:
    """The same; that of a large file by memory, where it has not changed since it was read."""
    size, *stamp = _stamp(path)
    if size <= LARGE:
        return sha256_of(path)
    key, known = str(path.resolve()), {"size": size, "stamp": stamp}
    held = _remembered().get(key)
    if isinstance(held, dict) and {**known, "sha256": held.get("sha256")} == held:
        return str(held["sha256"])
    sha256 = sha256_of(path)
    if [size, *stamp] == _stamp(path) and time.time_ns() - max(stamp[:2]) > SETTLED:
        _remember(key, {**known, "sha256": sha256})
    return sha256


def _stamp(path: Path) -> list[int]:
    """What changes with a file's content: size, times and inode."""
    now = path.stat()
    return [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev]


def _place() -> Path:
    from recembed.data.cards import default_cache  # large runs alone need it

    return default_cache() / "checked.json"


def _remembered() -> dict[str, Any]:
    with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: no home; RecursionError too
        value = json.loads(_place().read_bytes())
        if isinstance(value, dict):
            return value
    return {}


def _remember(key: str, value: dict[str, Any]) -> None:
    """Where that can be written; files that are gone are forgotten."""
    with ONE_AT_A_TIME, suppress(OSError, RuntimeError, DataError):
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = {path: each for path, each in _remembered().items() if Path(path).is_file()}
        with whole(place) as beside:
            beside.write_text(json.dumps({**kept, key: value}, indent=1), encoding="utf-8")
