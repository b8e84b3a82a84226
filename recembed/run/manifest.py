"""The manifest: which files a run has, what is in them byte for byte, and facts about it."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import recembed
from recembed.errors import RunError

FORMAT = 1
MANIFEST = "manifest.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")  # no capitals: some file systems fold them
EXTENSION = re.compile(r"[a-z0-9]{1,16}")
STORED = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}\.([0-9a-f]{12})\.[a-z0-9]{1,16}")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One stored file: its name in the folder, its content's sha256, its size in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """files: by logical name. facts: JSON values. created: UTC, ISO 8601."""

    files: dict[str, Entry]
    facts: dict[str, Any]
    created: str

    @cached_property
    def identity(self) -> str:
        """sha256 of all it says: another one is another run."""
        return hashlib.sha256(self.dump()).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest in `folder`; the files themselves are not looked at.

        Raises: RunError if there is none, it cannot be read, was edited, or has another format
        number.
        """
        value = json_of(folder)
        if value is None and not (folder / MANIFEST).is_file():
            raise RunError(
                f"{folder} is not a run: it has no {MANIFEST}; name the folder that training wrote"
            )
        _check_format(folder, value)
        return _parsed(folder, value)

    def dump(self) -> bytes:
        """As stored.

        Raises: RunError if a fact is no JSON value.
        """
        files = {name: vars(entry) for name, entry in self.files.items()}
        value = {
            "format": FORMAT,
            "recembed": recembed.__version__,
            "created": self.created,
            "facts": self.facts,
            "files": files,
        }
        return dump_json("facts", {**value, "sha256": _seal(value)})


def json_of(folder: Path) -> Any:
    """The manifest's JSON, None where the folder has no manifest.

    Raises: RunError if it cannot be read or is not JSON.
    """
    path = folder / MANIFEST
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: it is not JSON; {REMEDY}") from error


REMEDY = "restore it from a copy, or delete the folder and train again"


def dump_json(name: str, value: Any) -> bytes:
    """JSON text with a line break at the end.

    Raises: RunError if a part of `value` is no JSON value (a NaN, an array, ...).
    """
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{name} cannot be stored as JSON: {error}") from error


def _check_format(folder: Path, value: Any) -> None:
    number = value.get("format") if isinstance(value, dict) else None
    if type(number) is not int or not isinstance(value.get("recembed"), str):
        raise RunError(f"{folder / MANIFEST} is not the manifest of a run: it has no format number")
    if number != FORMAT:
        raise RunError(
            f"{folder} has format {number}, written by recembed {value['recembed']}; recembed "
            f"{recembed.__version__} reads format {FORMAT}: use that version, or train again"
        )


def _parsed(folder: Path, value: dict[str, Any]) -> Manifest:
    files, facts, created = value.get("files"), value.get("facts"), value.get("created")
    if not (isinstance(files, dict) and isinstance(facts, dict) and isinstance(created, str)):
        raise RunError(
            f"{folder / MANIFEST} is damaged: files, facts or created is missing; {REMEDY}"
        )
    entries = {name: _entry(folder, name, files[name]) for name in files}
    if value.get("sha256") != _seal(value):
        raise RunError(f"{folder / MANIFEST} was edited: its own sha256 differs; {REMEDY}")
    return Manifest(entries, facts, created)


def _seal(value: dict[str, Any]) -> str:
    """sha256 of a manifest's values, whatever the spaces between them."""
    sealed = {name: each for name, each in value.items() if name != "sha256"}
    return hashlib.sha256(dump_json("facts", sealed)).hexdigest()


def _entry(folder: Path, name: str, value: Any) -> Entry:
    """One entry whose file can only be one of ours, in this very folder."""
    if NAME.fullmatch(name) and isinstance(value, dict):
        file, sha256, size = value.get("file"), value.get("sha256"), value.get("bytes")
        if _whole(file, sha256) and type(size) is int and size >= 0:
            return Entry(file, sha256, size)  # type: ignore[arg-type]
    raise RunError(f"{folder / MANIFEST} is damaged: the entry {name!r} is not valid; {REMEDY}")


def _whole(file: Any, sha256: Any) -> bool:
    if not isinstance(file, str) or not isinstance(sha256, str):
        return False
    stored = STORED.fullmatch(file)
    return bool(stored and SHA256.fullmatch(sha256) and sha256.startswith(stored[1]))
