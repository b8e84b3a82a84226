"""Writing a run: files are made aside and moved in, the manifest is replaced last."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from recembed.errors import RunError
from recembed.run.checked import sha256_of
from recembed.run.manifest import (
    EXTENSION,
    MANIFEST,
    NAME,
    STORED,
    Entry,
    Manifest,
    dump_json,
    json_of,
)

LOCK = ".lock"
LOCK_TEXT = b"one writer of this recembed run at a time\n"  # tells our leftovers from other folders
STAGING = ".writing"


class Writer:
    """Collects what a run gets; all of it becomes visible at once, when `writing` ends."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Use `writing`."""
        self.folder = folder
        self._manifest = manifest
        self._staged: dict[str, tuple[Path, str]] = {}

    @property
    def scratch(self) -> Path:
        """A folder for what is made on the way; it goes when writing ends."""
        return self.folder / STAGING

    def arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store named arrays of numbers (safetensors)."""
        dense = {key: np.asarray(array, order="C") for key, array in arrays.items()}
        with self.file(name, "safetensors") as path:
            try:
                save_file(dense, path)
            except SafetensorError as error:
                refused = re.search(r"\(os error (\d+)\)", str(error))
                if refused:
                    raise OSError(int(refused[1]), os.strerror(int(refused[1]))) from error
                raise RunError(f"{name} cannot be stored: {error}") from error

    def table(self, name: str, table: pa.Table) -> None:
        """Store a table (Parquet)."""
        with self.file(name, "parquet") as path:
            try:
                pq.write_table(table, path, compression="zstd")
            except pa.ArrowException as error:
                raise RunError(f"{name} cannot be stored: {error}") from error

    def json(self, name: str, value: Any) -> None:
        """Store a JSON value."""
        content = dump_json(name, value)
        with self.file(name, "json") as path:
            path.write_bytes(content)

    def text(self, name: str, text: str, ext: str) -> None:
        """Store a text, UTF-8."""
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise RunError(f"{name} cannot be stored as UTF-8: {error}") from error
        with self.file(name, ext) as path:
            path.write_bytes(content)

    @contextmanager
    def file(self, name: str, ext: str) -> Iterator[Path]:
        """A path to write a file to natively; what lies there afterwards is stored.

        Raises: RunError if the name is not valid, nothing was written, or the disk is full.
        """
        if not NAME.fullmatch(name) or not EXTENSION.fullmatch(ext):
            raise RunError(f"{name!r} with extension {ext!r} is no name: use a-z, 0-9, _, - and .")
        path = self.scratch / f"{name}.{ext}"
        with _disk(self.folder):
            yield path
            if not path.is_file():
                raise RunError(f"nothing was written to {path}")
            # safetensors lets only the owner read: as open as the umask left the folder
            path.chmod(self.scratch.stat().st_mode & 0o666)
            _sync(path)
        self._staged[name] = (path, ext)

    def drop(self, name: str) -> None:
        """Leave a file out of the run; nothing happens where there is none."""
        self._staged.pop(name, None)
        kept = {key: entry for key, entry in self._manifest.files.items() if key != name}
        self._manifest = replace(self._manifest, files=kept)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Set facts; those of other names stay."""
        dump_json("facts", dict(facts))
        self._manifest = replace(self._manifest, facts={**self._manifest.facts, **facts})

    def commit(self) -> None:
        """Move the files in, then replace the manifest; `writing` calls it."""
        files = dict(self._manifest.files)
        with _disk(self.folder):
            for name, (path, ext) in self._staged.items():
                sha256 = sha256_of(path)
                file = f"{name.removesuffix('.' + ext)}.{sha256[:12]}.{ext}"
                files[name] = Entry(file, sha256, path.stat().st_size)
            content = replace(self._manifest, files=files).dump()
            for name, (path, _) in self._staged.items():
                path.replace(self.folder / files[name].file)
            _sync(self.folder)
            fresh = self.scratch / MANIFEST
            fresh.write_bytes(content)
            _sync(fresh)
            fresh.replace(self.folder / MANIFEST)
            _sync(self.folder)


@contextmanager
def writing(path: str | Path, *, new: bool) -> Iterator[Writer]:
    """Write a run: everything inside becomes visible at the end, or nothing of it.

    new: start an empty run, which replaces a run there; else go on with the run that is there.

    Raises: RunError if another process writes to it, the folder is something else than a run, or
    the disk is full.
    """
    folder = Path(path)
    _base(folder, new)
    with _held(folder):
        writer = Writer(folder, _base(folder, new))
        try:
            with _disk(folder):
                shutil.rmtree(folder / STAGING, ignore_errors=True)
                (folder / STAGING).mkdir()
            with _disk(folder):
                yield writer
            writer.commit()
        finally:
            _sweep(folder)


def _base(folder: Path, new: bool) -> Manifest:
    """What the writer starts from."""
    if not new:
        return Manifest.read(folder)
    value = json_of(folder)
    ours = isinstance(value, dict) and "format" in value and "recembed" in value
    if not ours and not _empty(folder):
        raise RunError(
            f"{folder} is neither empty nor a run, so nothing is written there: name a new folder"
        )
    return Manifest({}, {}, datetime.now(UTC).isoformat(timespec="seconds"))


def _empty(folder: Path) -> bool:
    """Whether nothing is there, or only what a writer that was killed left behind."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    with _disk(folder):
        names = {entry.name for entry in folder.iterdir()}
        text = (folder / LOCK).read_bytes() if LOCK in names else b""
    if text == LOCK_TEXT:
        return all(name in (LOCK, STAGING) or STORED.fullmatch(name) for name in names)
    return not text and names <= {LOCK}


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder, made where it was missing, and its lock; both go where no run came of it."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    with _disk(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = not (folder / LOCK).exists()
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            _unmake(missing)
            raise
    try:
        _lock(lock, folder)
        try:
            with _disk(folder):
                os.pwrite(lock, LOCK_TEXT, 0)
            yield
        finally:
            if fresh and not (folder / MANIFEST).exists():
                (folder / LOCK).unlink(missing_ok=True)
                _unmake(missing)
    finally:
        os.close(lock)


def _unmake(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it was never made, or somebody uses it by now
            folder.rmdir()


def _lock(lock: int, folder: Path) -> None:
    busy = RunError(f"another process is writing to {folder}: wait until it is done")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(lock), (folder / LOCK).stat())
    except (BlockingIOError, FileNotFoundError) as error:
        raise busy from error
    if not same:  # the file we locked was removed by a writer that failed just now
        raise busy


def _sweep(folder: Path) -> None:
    """Remove what the manifest does not name; a file that is in the way never breaks a run."""
    shutil.rmtree(folder / STAGING, ignore_errors=True)
    try:
        there = (folder / MANIFEST).exists()
        named = {entry.file for entry in Manifest.read(folder).files.values()} if there else set()
    except RunError:  # an old format: its files are not ours to judge
        return
    with suppress(OSError):
        for path in folder.iterdir():
            if STORED.fullmatch(path.name) and path.name not in named:
                path.unlink()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into one line."""
    try:
        yield
    except OSError as error:
        why = error.strerror or (str(error).splitlines() or ["the disk refused"])[0]
        raise RunError(f"the run {folder} cannot be written: {why}") from error
