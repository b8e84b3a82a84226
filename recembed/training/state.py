"""The state of a skip-gram training, and the file that it stops and goes on from."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recembed import seed as seeds
from recembed.arrays import Vectors, blocks
from recembed.data.sequences import Sequences
from recembed.errors import DataError
from recembed.run.whole import whole
from recembed.training.lanes import LINE
from recembed.training.tiles import padded

SCRATCH = 1 << 24  # bytes that filling a table with random numbers may take


@dataclass(eq=False)
class State:
    """Both tables, their rows padded to whole registers, and how far training is.

    chunk: how many of the epoch are done; loss and pairs: of these; trained: pairs of the epochs
    before. Random numbers are a function of seed, epoch and chunk: nothing else is to be kept.
    """

    inputs: Vectors
    outputs: Vectors
    losses: list[float]
    chunk: int = 0
    loss: float = 0.0
    pairs: int = 0
    trained: int = 0

    @classmethod
    def start(cls, n_inputs: int, n_outputs: int, dim: int, seed: int) -> "State":
        """Small random inputs, as in fastText twice those of word2vec, and outputs of 0.

        The larger start costs nothing and leaves the saddle at 0 sooner: on Amazon Beauty, 20
        epochs of skip-gram, recall@10 .0646 instead of .0611.
        """
        random = seeds.rng(seed, "skipgram", "start")
        inputs, outputs = _table(n_inputs, padded(dim)), _table(n_outputs, padded(dim))
        for part in blocks(n_inputs, 4 * dim, SCRATCH):
            drawn = random.random((part.stop - part.start, dim), np.float32)
            inputs[part, :dim] = (2 * drawn - 1) / np.float32(dim)
        return cls(inputs, outputs, [])

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    def end_epoch(self) -> None:
        """Keep the epoch's mean loss and begin the next."""
        self.losses.append(self.loss / max(self.pairs, 1))
        self.trained += self.pairs
        self.chunk, self.loss, self.pairs = 0, 0.0, 0

    def finite(self) -> bool:
        """Whether all numbers of the tables are."""
        with np.errstate(invalid="ignore"):  # the caller has more to say of it
            sums = [table.sum(dtype=np.float64) for table in (self.inputs, self.outputs)]
        return bool(np.isfinite(sum(sums)))

    def digest(self) -> str:
        """Of the bytes of both tables."""
        digest = hashlib.blake2b(self.inputs.data, digest_size=16)
        digest.update(self.outputs.data)
        return digest.hexdigest()


def _table(n_rows: int, columns: int) -> Vectors:
    """Zeros whose rows begin with a cache line, so that no register's load crosses one."""
    raw = np.zeros(n_rows * columns + LINE // 4, np.float32)
    start = -(raw.ctypes.data // 4) % (LINE // 4)
    return raw[start : start + n_rows * columns].reshape(n_rows, columns)


@dataclass(frozen=True)
class Store:
    """A file for the state of one training. fingerprint: of its data and setting."""

    path: Path
    fingerprint: str

    @classmethod
    def of(cls, path: Path, setting: object, corpus: Sequences, bags: Sequences | None) -> "Store":
        """Raises: DataError if a file cannot be written there."""
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
        digest = hashlib.blake2b(repr(setting).encode())
        for each in (corpus, bags):
            if each is not None:
                digest.update(np.ascontiguousarray(each.values).data)
                digest.update(np.ascontiguousarray(each.offsets).data)
        return cls(path, digest.hexdigest()[:32])

    def load(self, state: State) -> None:
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
                state.inputs[:] = file.get_tensor("inputs")
                state.outputs[:] = file.get_tensor("outputs")
            if facts["tables"] != state.digest():
                raise DataError(f"the checkpoint {self.path} is damaged: name another or none")
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise DataError(
                f"{self.path} cannot be read as a checkpoint ({error}): name another file, or "
                "remove it to begin anew"
            ) from error
        state.losses, state.chunk = facts["losses"], facts["chunk"]
        state.loss, state.pairs, state.trained = facts["loss"], facts["pairs"], facts["trained"]

    def save(self, state: State) -> None:
        """Write the file as a whole, in place of an older one. Raises: DataError if that fails."""
        facts = {
            "fingerprint": self.fingerprint,
            "tables": state.digest(),
            "losses": state.losses,
            "chunk": state.chunk,
            "loss": state.loss,
            "pairs": state.pairs,
            "trained": state.trained,
        }
        tables = {"inputs": state.inputs, "outputs": state.outputs}
        try:
            with whole(self.path) as beside:
                save_file(tables, beside, {"training": json.dumps(facts)})
        except (SafetensorError, OSError) as error:
            raise DataError(f"the checkpoint {self.path} cannot be written: {error}") from error

    def described(self) -> str:
        """What an error says about the last good state."""
        if not self.path.exists():
            return "; it came too early for a checkpoint"
        return f"; the last good state is in {self.path}"
