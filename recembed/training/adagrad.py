"""The GloVe kernel: a step of AdaGrad for each pair of rows and its mirror image.

A row of the tables is its vector as itself and its vector as context, side by side.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from recembed.compiled import njit
from recembed.training.gains import FAST
from recembed.training.lanes import INT, Arguments, Lanes, Register, Row
from recembed.training.tiles import prefetch
from recembed.training.version import VERSION

AHEAD = 4  # pairs before its turn that a row is asked for


def _halves(of: Arguments, argument: int, row: Any) -> tuple[Row, Row]:
    """A row's vector as itself and as context."""
    whole = of.row(argument, row)
    return whole, whole.after(_half(of, argument))


def _half(of: Arguments, argument: int) -> Any:
    return of.builder.lshr(of.length(argument), INT(1))


@intrinsic
def _products(typing, vectors, row, column):  # type: ignore # noqa: ANN001, ANN202
    """Dot products of row and column as its context, and of column and row as its context."""
    both = types.UniTuple(types.float32, 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        (x, x_around), (y, y_around) = _halves(of, 0, of[1]), _halves(of, 0, of[2])
        there, back = (Register(Lanes.full(builder, 0.0)) for _ in range(2))
        with of.steps(_half(of, 0)) as (k, _):
            there.add(x[k] * y_around[k])
            back.add(y[k] * x_around[k])
        return context.make_tuple(builder, both, (there.get().total(), back.get().total()))

    return both(vectors, types.int64, types.int64), generate


@intrinsic
def _pull(typing, vectors, squares, row, column, there, back):  # type: ignore # noqa: ANN001, ANN202
    """Move the four vectors by their gains, there and back, times each other."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        (x, x_around), (y, y_around) = _halves(of, 0, of[2]), _halves(of, 0, of[3])
        (xx, xx_around), (yy, yy_around) = _halves(of, 1, of[2]), _halves(of, 1, of[3])
        gains = [Lanes.spread(builder, of[4]), Lanes.spread(builder, of[5])]
        with of.steps(_half(of, 0)) as (k, _):
            # one after the other: of a row beside itself both are the same two vectors
            _step(gains[0], (x, xx), (y_around, yy_around), k)
            _step(gains[1], (y, yy), (x_around, xx_around), k)
        return context.get_dummy_value()

    gains = (types.float32, types.float32)
    return types.void(vectors, squares, types.int64, types.int64, *gains), generate


def _step(gain: Lanes, one: tuple[Row, Row], other: tuple[Row, Row], k: ir.Value) -> None:
    """Some elements of two vectors, each of which has its sums of squares beside it."""
    (a, aa), (b, bb) = one, other
    old_a, old_b, squares_a, squares_b = a[k], b[k], aa[k], bb[k]
    down_a, down_b = gain * old_b, gain * old_a
    a[k] = old_a - down_a / squares_a.root()
    b[k] = old_b - down_b / squares_b.root()
    aa[k] = squares_a + down_a * down_a
    bb[k] = squares_b + down_b * down_b


@njit(inline="always")
def _pull_bias(biases: Any, row: int, at: int, gain: np.float32) -> None:
    """at: 0 for a row as itself, 1 as context; two further on are the squares."""
    biases[row, at] -= gain / np.sqrt(biases[row, at + 2])
    biases[row, at + 2] += gain * gain


@njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False)
def run(
    rows: Any,  # int32 [n]
    columns: Any,  # int32 [n]
    logs: Any,  # float32 [n]: of the weights of these pairs
    shares: Any,  # float32 [n]: what each counts for
    first: int,  # where to begin: all are trained
    tables: Any,  # vectors and squares float32 [n_rows, 2 * padded dim], biases [n_rows, 4]
    rate: float,
) -> tuple[float, int]:
    """A pass over some pairs: the sum of their losses, and how many, mirror images counted."""
    VERSION  # noqa: B018 - part of the key that compiled code is stored under
    vectors, squares, biases = tables
    lr, half = np.float32(rate), np.float32(0.5)
    loss, pairs, n = 0.0, 0, len(rows)
    for step in range(n):
        at = (first + step) % n
        i, j = rows[at], columns[at]
        ahead = columns[(at + AHEAD) % n]
        prefetch(vectors, ahead)
        prefetch(squares, ahead)
        there, back = _products(vectors, i, j)
        there += biases[i, 0] + biases[j, 1] - logs[at]
        back += biases[j, 0] + biases[i, 1] - logs[at]
        share, mirrored = shares[at], i != j
        loss += half * share * there * there
        there *= lr * share
        if mirrored:
            loss += half * share * back * back
        back *= lr * share * np.float32(mirrored)
        _pull(vectors, squares, i, j, there, back)
        _pull_bias(biases, i, 0, there)
        _pull_bias(biases, j, 1, there)
        _pull_bias(biases, j, 0, back)
        _pull_bias(biases, i, 1, back)
        pairs += 1 + mirrored
    return loss, pairs
