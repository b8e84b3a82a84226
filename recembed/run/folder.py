"""A run on disk: read with every byte checked, written so that a kill leaves the old or the new."""

import json
import math
import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from recembed.errors import RunError
from recembed.run.checked import found_sha256
from recembed.run.manifest import Entry, Manifest
from recembed.run.writer import Writer, writing

__all__ = ["Run", "Writer", "writing"]


class Run:
    """A run folder, opened for reading."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Use `open`."""
        self.folder, self.facts = folder, manifest.facts
        self.created, self.identity = manifest.created, manifest.identity
        self._files = manifest.files
        self._checked: set[str] = set()

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True, without: Collection[str] = ()) -> "Run":
        """The run in a folder.

        verify: check every file's content now; else only that each is there and has its size, and
        the content of a file when it is first used. Nothing is ever read unchecked.
        without: files that are not looked at, because the caller makes them again.

        Raises: RunError if it is no run, of another format, or a file is missing or was changed.
        """
        run = cls(Path(path), Manifest.read(Path(path)))
        names = [name for name in run._files if name not in without]
        for name in names:
            run._sized(name)
        if verify:
            run.check(names)
        return run

    def check(self, names: Iterable[str]) -> None:
        """Check the content of these files, several at once: hashing lets go of the GIL.

        Raises: RunError if one is missing or was changed.
        """
        order = sorted(names, key=lambda name: -self._files[name].bytes)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for _ in threads.map(self.path, order):
                pass

    def has(self, name: str) -> bool:
        """Whether the run has a file of this name."""
        return name in self._files

    @property
    def files(self) -> dict[str, Path]:
        """Where each file lies, by its name; unchecked."""
        return {name: self.folder / entry.file for name, entry in self._files.items()}

    def path(self, name: str) -> Path:
        """Where a file lies; its size and sha256 were checked.

        Raises: RunError if the run lacks it, or it is missing, cut short or edited.
        """
        path = self._sized(name)
        if name not in self._checked:
            entry = self._files[name]
            with self._readable(entry):
                found = found_sha256(path)
            if found != entry.sha256:
                raise self._damaged(name, "was edited: its sha256 differs")
            self._checked.add(name)
        return path

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Named arrays, mapped into memory: they can only be read."""
        path = self.path(name)
        try:
            return _mapped(path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise self._damaged(name, f"is no safetensors file: {_line(error)}") from error

    def table(self, name: str) -> pa.Table:
        """A table."""
        path = self.path(name)
        try:
            with pq.ParquetFile(path) as file:
                return file.read()
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name, f"is no Parquet file: {_line(error)}") from error

    def json(self, name: str) -> Any:
        """A JSON value."""
        try:
            return json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            raise self._damaged(name, f"is not JSON: {_line(error)}") from error

    def text(self, name: str) -> str:
        """A text, UTF-8."""
        path = self.path(name)
        with self._readable(self._files[name]):
            content = path.read_bytes()
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self._damaged(name, "is not UTF-8 text") from error

    def _sized(self, name: str) -> Path:
        if name not in self._files:
            has = ", ".join(sorted(self._files)) or "nothing"
            raise RunError(f"the run {self.folder} has no {name!r}; it has: {has}")
        entry = self._files[name]
        path = self.folder / entry.file
        try:
            size = path.stat().st_size
        except OSError as error:
            raise self._damaged(name, "is missing") from error
        if size != entry.bytes:
            raise self._damaged(name, f"has {size} bytes instead of {entry.bytes}")
        return path

    @contextmanager
    def _readable(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"{self.folder / entry.file} cannot be read: {_line(error)}") from error

    def _damaged(self, name: str, how: str) -> RunError:
        path = self.folder / self._files[name].file
        return RunError(
            f"{path} {how}; restore it from a copy, or make {name!r} again"
            " (if the run was just written anew, open it again)"
        )


# as safetensors names them; its other types are none of NumPy
KINDS = {"BOOL": "?", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
KINDS |= {f"{sign}{8 * size}": f"<{sign.lower()}{size}" for sign in "IU" for size in (1, 2, 4, 8)}


def _mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, which lie in it one after another behind a header."""
    found: dict[str, NDArray[Any]] = {}
    with safe_open(path, "numpy") as file:  # it checks the header
        content = np.asarray(np.memmap(path, np.uint8, "r"))
        start = 8 + int(content[:8].view("<u8")[0])
        for key in file.offset_keys():
            part = file.get_slice(key)
            kind, shape = np.dtype(KINDS[part.get_dtype()]), part.get_shape()
            stop = start + math.prod(shape) * kind.itemsize
            array = content[start:stop].view(kind).reshape(shape)
            found[key] = array if array.flags.aligned else array.copy()
            start = stop
    return found


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
