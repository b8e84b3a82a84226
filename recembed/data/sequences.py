"""Ragged rows of int32: histories, baskets, sentences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Offsets, Rows, offsets_of, ranges
from recembed.errors import DataError


@dataclass(frozen=True, eq=False)
class Sequences:
    """values int32 [n], offsets int64 [m+1]: sequence i is values[offsets[i]:offsets[i+1]]."""

    values: Rows
    offsets: Offsets

    def __post_init__(self) -> None:
        if self.values.dtype != np.int32 or self.offsets.dtype != np.int64:
            raise DataError("sequences are int32 values and int64 offsets")
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != len(self.values):
            raise DataError("offsets must run from 0 to the number of values")

    @classmethod
    def of(cls, rows: list[list[int]]) -> "Sequences":
        """From nested lists, for tests and small inputs."""
        sizes = np.array([len(row) for row in rows], np.int64)
        flat = np.array([value for row in rows for value in row], np.int32)
        return cls(flat, offsets_of(sizes))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Rows:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Length of each sequence, [m]."""
        return self.offsets[1:] - self.offsets[:-1]

    def sizes_of(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Length of these sequences alone, [len(rows)]."""
        sizes: NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return sizes

    def owners(self) -> Rows:
        """The sequence that each value stands in, [n]."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)

    def positions(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Positions in `values` of the sequences `rows`, one after another."""
        return ranges(self.offsets[rows], self.sizes_of(rows))

    def take(self, rows: NDArray[np.integer]) -> "Sequences":
        """The sequences `rows` in this order; one may be taken twice."""
        if len(rows) == len(self) and (rows == np.arange(len(rows))).all():
            return self
        return Sequences(self.values[self.positions(rows)], offsets_of(self.sizes_of(rows)))

    def keep(self, mask: Mask) -> "Sequences":
        """The same sequences with only the values where `mask` [n] is true."""
        sizes = np.bincount(self.owners()[mask], minlength=len(self))
        return Sequences(self.values[mask], offsets_of(sizes))
