"""Vector code for runs of scores and for true products: what Numba's own loops are too slow at."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from recembed.search.candidates import LANES

WIDE = 32  # scores compared with one at a time: four registers of AVX2

_LONG, _INDEX, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
_EXACT = ("contract",)  # two float32 multiply exactly in float64: fused or not is the same


@intrinsic
def counted(typing, values, n, bound):  # type: ignore # noqa: ANN001, ANN201
    """How many of values[:n] reach the bound; n is a multiple of LANES."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, kind = _data(context, builder, signature, args, 0), ir.VectorType(_FLOAT, LANES)
        counts = ir.VectorType(_INDEX, LANES)
        total = cgutils.alloca_once_value(builder, ir.Constant(counts, [0] * LANES))
        bound = _spread(builder, args[2], LANES)
        with cgutils.for_range_slice(builder, _LONG(0), args[1], _LONG(LANES), _LONG) as (at, _):
            bits = builder.fcmp_ordered(">=", _load(builder, data, at, kind), bound)
            more = builder.sext(bits, counts)  # -1 where it does
            builder.store(builder.sub(builder.load(total), more), total)
        return builder.zext(_total(builder, builder.load(total), builder.add), _LONG)

    return types.int64(values, types.int64, types.float32), generate


@intrinsic
def maxima(typing, values, width, group, out):  # type: ignore # noqa: ANN001, ANN201
    """out[j] = the highest of values[j + i * width], i < group; width is a multiple of LANES."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(_FLOAT, LANES)
        data, to = (_data(context, builder, signature, args, at) for at in (0, 3))
        _, width, group, _ = args
        stop = builder.mul(width, group)
        highest = cgutils.alloca_once(builder, kind)
        with cgutils.for_range_slice(builder, _LONG(0), width, _LONG(LANES), _LONG) as (j, _):
            builder.store(_load(builder, data, j, kind), highest)
            with cgutils.for_range_slice(builder, j, stop, width, _LONG) as (at, _):
                one, other = _load(builder, data, at, kind), builder.load(highest)
                higher = builder.fcmp_ordered(">", one, other)
                builder.store(builder.select(higher, one, other), highest)
            place = builder.bitcast(builder.gep(to, [j]), kind.as_pointer())
            builder.store(builder.load(highest), place, align=4)
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64, out), generate


@intrinsic
def outranked(typing, values, n, out):  # type: ignore # noqa: ANN001, ANN201
    """out[i] = how many of values[:n] are higher than values[i]; n is rounded up to WIDE for i."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, to = (_data(context, builder, signature, args, at) for at in (0, 2))
        kind, counts = ir.VectorType(_FLOAT, WIDE), ir.VectorType(_INDEX, WIDE)
        with cgutils.for_range_slice(builder, _LONG(0), args[1], _LONG(WIDE), _LONG) as (i, _):
            row = _load(builder, data, i, kind)
            total = cgutils.alloca_once(builder, counts)
            builder.store(ir.Constant(counts, [0] * WIDE), total)
            with cgutils.for_range(builder, args[1]) as loop:
                other = _spread(builder, builder.load(builder.gep(data, [loop.index])), WIDE)
                more = builder.sext(builder.fcmp_ordered(">", other, row), counts)  # -1 or 0
                builder.store(builder.sub(builder.load(total), more), total)
            place = builder.bitcast(builder.gep(to, [i]), counts.as_pointer())
            builder.store(builder.load(total), place, align=4)
        return context.get_dummy_value()

    return types.void(values, types.int64, out), generate


@intrinsic
def product(typing, query, table, start, stop):  # type: ignore # noqa: ANN001, ANN201
    """The sum of query[j] * table[start + j] over j < stop, a multiple of LANES."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        narrow, wide = (ir.VectorType(each, LANES) for each in (_FLOAT, ir.DoubleType()))
        x, y = (_data(context, builder, signature, args, at) for at in (0, 1))
        total = cgutils.alloca_once_value(builder, ir.Constant(wide, [0.0] * LANES))
        steps = (_LONG(0), args[3], _LONG(LANES), _LONG)
        with cgutils.for_range_slice(builder, *steps) as (j, _):
            left = _load(builder, x, j, wide)
            right = builder.fpext(_load(builder, y, builder.add(args[2], j), narrow), wide)
            product = builder.fmul(left, right, flags=_EXACT)
            total_so_far = builder.load(total)
            builder.store(builder.fadd(total_so_far, product, flags=_EXACT), total)
        return _total(builder, builder.load(total), builder.fadd)

    return types.float64(query, table, types.int64, types.int64), generate


@intrinsic
def positions(typing, values, start, stop, least, first, out, n):  # type: ignore # noqa: ANN001, ANN201, PLR0913
    """Write first + j to out[n], ... for each j in start .. stop - 1 whose value reaches `least`.

    Returns how many there are then. stop - start is a multiple of LANES, as many more numbers of
    `out` are written than are meant. No branch depends on the values: a table has, for each choice
    of LANES values, where they stand.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, to = (_data(context, builder, signature, args, at) for at in (0, 5))
        kind, whole = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INDEX, LANES)
        chosen = [[j for j in range(LANES) if mask >> j & 1] for mask in range(1 << LANES)]
        rows = [each + [0] * (LANES - len(each)) for each in chosen]
        table = ir.Constant(ir.ArrayType(whole, len(rows)), [ir.Constant(whole, r) for r in rows])
        places = cgutils.global_constant(builder.module, "choices", table)
        bound = _spread(builder, args[3], LANES)
        found = cgutils.alloca_once_value(builder, args[6])
        with cgutils.for_range_slice(builder, *args[1:3], _LONG(LANES), _LONG) as (j, _):
            bits = builder.fcmp_ordered(">=", _load(builder, data, j, kind), bound)
            mask = builder.zext(builder.bitcast(bits, ir.IntType(LANES)), _LONG)
            row = builder.load(builder.gep(places, [_LONG(0), mask]), align=4)
            base = builder.trunc(builder.add(args[4], j), _INDEX)
            here, n = builder.add(row, _spread(builder, base, LANES)), builder.load(found)
            place = builder.bitcast(builder.gep(to, [n]), whole.as_pointer())
            builder.store(here, place, align=4)
            builder.store(builder.add(n, builder.ctpop(mask)), found)
        return builder.load(found)

    count = types.int64
    return types.int64(values, count, count, types.float32, count, out, count), generate


@intrinsic
def bits(typing, score):  # type: ignore # noqa: ANN001, ANN201
    """The 32 bits of a float32, sign first, as a whole number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sext(builder.bitcast(args[0], _INDEX), _LONG)

    return types.int64(types.float32), generate


@intrinsic
def of_bits(typing, bits):  # type: ignore # noqa: ANN001, ANN201
    """The float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], _INDEX), _FLOAT)

    return types.float32(types.int64), generate


def _data(context: Any, builder: Any, signature: Any, args: Any, at: int) -> Any:
    return context.make_array(signature.args[at])(context, builder, args[at]).data


def _load(builder: Any, data: Any, start: Any, kind: Any) -> Any:
    place = builder.bitcast(builder.gep(data, [start]), kind.as_pointer())
    return builder.load(place, align=4)


def _spread(builder: Any, value: Any, width: int) -> Any:
    kind = ir.VectorType(value.type, width)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _INDEX(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INDEX, width), [0] * width))


def _total(builder: Any, vector: Any, add: Any) -> Any:
    """The sum of all lanes: the upper half is added to the lower half, until one is left."""
    width = vector.type.count
    while width > 1:
        width //= 2
        halves = [
            builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_INDEX, width), order))
            for order in (list(range(width)), list(range(width, 2 * width)))
        ]
        vector = add(*halves)
    return builder.extract_element(vector, _INDEX(0))
