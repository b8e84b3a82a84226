"""The state of a skip-gram training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import Vectors, blocks
from recembed.training.checkpoint import Read
from recembed.training.lanes import LINE
from recembed.training.tiles import padded

SCRATCH = 1 << 24  # bytes that filling a table with random numbers may take
FACTS = ("losses", "chunk", "loss", "pairs", "trained")  # what is no table


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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Both tables."""
        return {"inputs": self.inputs, "outputs": self.outputs}

    def facts(self) -> dict[str, Any]:
        """All that is not in the tables."""
        return {name: getattr(self, name) for name in FACTS}

    def restore(self, facts: Mapping[str, Any], read: Read) -> None:
        """Fill the tables, one after the other: both at once may be a lot of memory."""
        for name, table in self.arrays().items():
            table[:] = read(name)
        for name in FACTS:
            setattr(self, name, facts[name])


def _table(n_rows: int, columns: int) -> Vectors:
    """Zeros whose rows begin with a cache line, so that no register's load crosses one."""
    raw = np.zeros(n_rows * columns + LINE // 4, np.float32)
    start = -(raw.ctypes.data // 4) % (LINE // 4)
    return raw[start : start + n_rows * columns].reshape(n_rows, columns)
