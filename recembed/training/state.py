"""The state of a training of tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Vectors
from recembed.training.checkpoint import Read
from recembed.training.lanes import LINE

SCRATCH = 1 << 24  # bytes that filling a table with random numbers may take
FACTS = ("losses", "chunk", "loss", "pairs", "trained")  # what is no table


@dataclass(eq=False)
class State:
    """Tables by name, their rows padded to whole registers, and how far training is.

    chunk: how many of the epoch are done; loss and pairs: of these; trained: pairs of the epochs
    before. Random numbers are a function of seed, epoch and chunk: nothing else is to be kept.
    """

    tables: dict[str, Vectors]
    losses: list[float]
    chunk: int = 0
    loss: float = 0.0
    pairs: int = 0
    trained: int = 0

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    @property
    def mean(self) -> float:
        """Loss of a pair, in this epoch so far."""
        return self.loss / max(self.pairs, 1)

    def end_epoch(self) -> None:
        """Keep the epoch's mean loss and begin the next."""
        self.losses.append(self.mean)
        self.trained += self.pairs
        self.chunk, self.loss, self.pairs = 0, 0.0, 0

    def finite(self) -> bool:
        """Whether all numbers of the tables are."""
        with np.errstate(invalid="ignore"):  # the caller has more to say of it
            sums = [table.sum(dtype=np.float64) for table in self.tables.values()]
        return bool(np.isfinite(sum(sums)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The tables."""
        return {**self.tables}

    def facts(self) -> dict[str, Any]:
        """All that is not in the tables."""
        return {name: getattr(self, name) for name in FACTS}

    def restore(self, facts: Mapping[str, Any], read: Read) -> None:
        """Fill the tables, one after the other: all at once may be a lot of memory."""
        for name, table in self.tables.items():
            table[:] = read(name)
        for name in FACTS:
            setattr(self, name, facts[name])


def zeros(n_rows: int, columns: int) -> Vectors:
    """A table whose rows begin with a cache line, so that no register's load crosses one."""
    raw = np.zeros(n_rows * columns + LINE // 4, np.float32)
    start = -(raw.ctypes.data // 4) % (LINE // 4)
    return raw[start : start + n_rows * columns].reshape(n_rows, columns)
