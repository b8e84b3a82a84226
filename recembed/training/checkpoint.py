"""The file that a training stops and goes on from."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.run.whole import whole

SAVE_EVERY = 60.0  # seconds of training that a crash may cost
Read: TypeAlias = Callable[[str], NDArray[Any]]


class Resumable(Protocol):
    """What a training needs to go on: arrays by name, and a few JSON values beside them."""

    def arrays(self) -> Mapping[str, NDArray[Any]]: ...

    def facts(self) -> Mapping[str, Any]: ...

    def restore(self, facts: Mapping[str, Any], read: Read) -> None:
        """Be what these were taken from; read: name -> array."""


@dataclass(frozen=True)
class Store:
    """A file for the state of one training. fingerprint: of its data and setting."""

    path: Path
    fingerprint: str

    @classmethod
    def of(cls, path: Path, setting: object, *data: NDArray[Any] | Sequences | None) -> "Store":
        """setting: whatever has a repr of its own, the seed among it.

        Raises: DataError if a file cannot be written there.
        """
        check_place(path)
        digest = hashlib.blake2b(repr(setting).encode())
        for each in data:
            parts = (each.values, each.offsets) if isinstance(each, Sequences) else (each,)
            for part in parts:
                digest.update(b"none" if part is None else _bytes(part))
        return cls(path, digest.hexdigest()[:32])

    def load(self, state: Resumable) -> None:
        """Replace the state by the file's, if there is one.

        Raises: DataError if the file is damaged or belongs to another training.
        """
        if not self.path.exists():
            return
        try:
            with safe_open(self.path, "numpy") as file:
                facts = json.loads((file.metadata() or {}).get("training", "{}"))
                if not isinstance(facts, dict) or facts.get("fingerprint") != self.fingerprint:
                    raise DataError(
                        f"the checkpoint {self.path} belongs to other data, another setting or "
                        "seed: name another file, or remove it to begin anew"
                    )
                state.restore(facts, file.get_tensor)
            if facts["digest"] != _digest(state):
                raise DataError(f"the checkpoint {self.path} is damaged: name another or none")
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise DataError(
                f"{self.path} cannot be read as a checkpoint ({error}): name another file, or "
                "remove it to begin anew"
            ) from error

    def save(self, state: Resumable) -> None:
        """Write the file as a whole, in place of an older one. Raises: DataError if that fails."""
        facts = {**state.facts(), "fingerprint": self.fingerprint, "digest": _digest(state)}
        try:
            with whole(self.path) as beside:
                save_file(dict(state.arrays()), beside, {"training": json.dumps(facts)})
        except (SafetensorError, OSError) as error:
            raise DataError(f"the checkpoint {self.path} cannot be written: {error}") from error

    def described(self) -> str:
        """What an error says about the last good state."""
        if not self.path.exists():
            return "; it came too early for a checkpoint"
        return f"; the last good state is in {self.path}"


def check_place(path: Path) -> None:
    """Raises: DataError if a checkpoint cannot be written there."""
    if not path.parent.is_dir():
        raise DataError(f"no folder {path.parent} for the checkpoint: make it first")
    if path.exists() and not path.is_file():
        raise DataError(f"the checkpoint {path} is not a file: name another")
    probe = path.with_name(f".{path.name}.probe")
    try:
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"the checkpoint {path} cannot be written: {error.strerror}") from error


def _digest(state: Resumable) -> str:
    """Of the bytes of all arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(state.arrays().items()):
        digest.update(name.encode())
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
