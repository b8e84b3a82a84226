"""The two small matrix products of the kernels, as vector code that stays in registers.

A centre's targets (itself and its negatives) stand against its queries (the vectors of its
context): scores = queries . targets^T; then gains^T . queries is added to the targets and
gains . targets to the queries.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from recembed.training.lanes import INT, LINE, WIDE, Arguments, Lanes, Register

WIDEST = 6  # targets a block: 2 queries x 6 targets + 3 operands fill the 16 registers of AVX2
TOTALS = 8  # scores of a block are stored together, the last ones 0


def padded(dim: int) -> int:
    """Length of a table's row in memory: whole registers, the rest is 0 and stays 0."""
    return -(-dim // WIDE) * WIDE


def blocks(targets: int) -> tuple[int, int]:
    """(width, count): how many blocks of how many targets waste the least."""
    width = min(range(WIDEST, 2, -1), key=lambda w: -(-targets // w) * w)
    return width, -(-targets // width)


@njit
def stride(width: int, count: int) -> int:
    """Length of a line of scores: room for the last block's zeros, in whole registers."""
    return -(-(width * (count - 1) + TOTALS) // WIDE) * WIDE


@intrinsic
def scores(typing, width, queries, table, q0, q1, targets, rows, first, out, line):  # type: ignore # noqa: ANN001, ANN201, PLR0913
    """One or two rows of a table, q0 and q1, times targets[rows[first : first + width]] into
    out[line : line + queries, first:]; width and queries are constants.
    """  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        xs = [of.row(2, of[3 + q]) for q in range(queries.literal_value)]
        ys = [of.row(5, of.whole(6, of[7], k)) for k in range(width.literal_value)]
        zero = Lanes.full(builder, 0.0)
        sums = [[Register(zero) for _ in ys] for _ in xs]
        with of.steps(of.length(2)) as (start, _):
            parts = [x[start] for x in xs]
            for k, y in enumerate(ys):
                part = y[start]
                for q, each in enumerate(parts):
                    sums[q][k].add(each * part)
        for q, registers in enumerate(sums):
            to = of.row(8, builder.add(of[9], INT(q)))
            to[of[7]] = _totals([each.get() for each in registers])
        return context.get_dummy_value()

    places, constants = (types.int64,) * 2, _literals(width, queries)
    return types.void(
        *constants, table, *places, targets, rows, types.int64, out, types.int64
    ), generate


@intrinsic
def update(typing, width, direct, table, near, n, change, targets, rows, first, gains):  # type: ignore # noqa: ANN001, ANN201, PLR0913
    """For c < n and k < width, with x = table[near[c]], y = targets[rows[first + k]] and
    g = gains[c, first + k], add g * y to change[c] (direct: to x itself) and g * x to y; width and
    direct are constants.
    """  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        ys = [of.row(6, of.whole(7, of[8], k)) for k in range(width.literal_value)]
        with of.steps(of.length(2)) as (start, _):
            parts = [y[start] for y in ys]
            deltas = [Register(Lanes.full(builder, 0.0)) for _ in ys]
            with of.times(of[4]) as loop:
                row = of.row(2, of.whole(3, loop.index))
                x = row[start]
                to = row if direct.literal_value else of.row(5, loop.index)
                moved = x if direct.literal_value else to[start]
                line = of.row(9, loop.index).after(of[8])
                for k, part in enumerate(parts):
                    gain = Lanes.spread(builder, line.element(k))
                    moved = moved + gain * part
                    deltas[k].add(gain * x)
                to[start] = moved
            for y, delta in zip(ys, deltas, strict=True):
                # read again: a row that was drawn twice must get both changes
                y[start] = y[start] + delta.get()
        return context.get_dummy_value()

    arrays, constants = (change, targets, rows), _literals(width, direct)
    return types.void(*constants, table, near, types.int64, *arrays, types.int64, gains), generate


def _literals(*kinds: Any) -> tuple[Any, ...]:
    """Raises: RequireLiteralValue, which makes Numba come again with the values of constants."""
    for kind in kinds:
        if not isinstance(kind, types.Literal):
            raise RequireLiteralValue("a constant is needed")
    return kinds


@intrinsic
def prefetch(typing, table, row):  # type: ignore # noqa: ANN001, ANN201
    """Ask for a row of a table that is going to be worked on soon."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of, flag = Arguments(context, builder, signature, args), ir.IntType(32)
        place, byte = of.row(0, args[1]).place, ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with of.steps(of.length(0), LINE // 4) as (start, _):
            at = builder.bitcast(builder.gep(place, [start]), byte)
            builder.call(ask, [at, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64), generate


@intrinsic
def axpy(typing, factor, table, row, to, line):  # type: ignore # noqa: ANN001, ANN201
    """Add factor * table[row] to to[line]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        of = Arguments(context, builder, signature, args)
        x, y, scale = of.row(1, of[2]), of.row(3, of[4]), Lanes.spread(builder, of[0])
        with of.steps(of.length(1)) as (start, _):
            y[start] = y[start] + scale * x[start]
        return context.get_dummy_value()

    return types.void(types.float32, table, types.int64, to, types.int64), generate


def _totals(vectors: list[Lanes]) -> Lanes:
    """The sums of up to 8 vectors as one vector of 8, by adding neighbours in a tree."""
    low, high = list(range(8)), list(range(8, 16))
    level = [v.shuffle(v, low) + v.shuffle(v, high) if v.width == 16 else v for v in vectors]
    level += [Lanes.full(vectors[0].builder, 0.0, TOTALS)] * (TOTALS - len(vectors))
    even, odd = [0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]
    while len(level) > 2:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [a.shuffle(b, even) + a.shuffle(b, odd) for a, b in pairs]
    a, b = level
    return a.shuffle(b, [0, 1, 2, 3, 8, 9, 10, 11]) + a.shuffle(b, [4, 5, 6, 7, 12, 13, 14, 15])
