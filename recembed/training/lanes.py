"""LLVM's vectors with operators, and arrays of Numba by address: what the kernels are written in.

Numba's own loops leave half of the speed here: LLVM's vectoriser neither keeps a block of rows in
registers across an outer loop nor trusts two arrays not to overlap.
"""

from typing import Any, Literal, Union

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils

WIDE = 16 if get_host_cpu_features().get("avx512f") else 8  # floats a register; 8 do for NEON, too
LINE = 64  # bytes a cache line
FLOAT, INT = ir.FloatType(), ir.IntType(64)
_FLAGS = ("contract", "reassoc", "nsz", "arcp")  # but NaN and infinity are what they are
_INDEX = ir.IntType(32)


class Lanes:
    """A vector of float32 whose operators write instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def full(cls, builder: Any, number: float, width: int = WIDE) -> "Lanes":
        """The same number in all lanes."""
        return cls(builder, ir.Constant(ir.VectorType(FLOAT, width), [number] * width))

    @classmethod
    def spread(cls, builder: Any, scalar: Any, width: int = WIDE) -> "Lanes":
        """A float32 of the program in all lanes."""
        kind = ir.VectorType(FLOAT, width)
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, _INDEX(0))
        return cls(builder, one).shuffle(cls(builder, one), [0] * width)

    @property
    def width(self) -> int:
        """How many lanes there are."""
        return int(self.value.type.count)

    def _other(self, other: Union["Lanes", float]) -> Any:
        return other.value if isinstance(other, Lanes) else self.like(other).value

    def like(self, number: float) -> "Lanes":
        """A number in as many lanes as these."""
        return Lanes.full(self.builder, number, self.width)

    def __add__(self, other: Union["Lanes", float]) -> "Lanes":
        return Lanes(self.builder, self.builder.fadd(self.value, self._other(other), _FLAGS))

    def __sub__(self, other: Union["Lanes", float]) -> "Lanes":
        return Lanes(self.builder, self.builder.fsub(self.value, self._other(other), _FLAGS))

    def __mul__(self, other: Union["Lanes", float]) -> "Lanes":
        return Lanes(self.builder, self.builder.fmul(self.value, self._other(other), _FLAGS))

    def __truediv__(self, other: Union["Lanes", float]) -> "Lanes":
        return Lanes(self.builder, self.builder.fdiv(self.value, self._other(other), _FLAGS))

    def __abs__(self) -> "Lanes":
        return self.where(">", 0.0, self, self * -1.0)

    def root(self) -> "Lanes":
        """Square roots."""
        kind, name = self.value.type, f"llvm.sqrt.v{self.width}f32"
        function = ir.FunctionType(kind, [kind])
        root = cgutils.get_or_insert_function(self.builder.module, function, name)
        return Lanes(self.builder, self.builder.call(root, [self.value], fastmath=(*_FLAGS, "afn")))

    def where(self, sign: Literal["<", ">"], other: float, yes: "Lanes", no: "Lanes") -> "Lanes":
        """`yes` in the lanes where the comparison holds, else `no`; NaN never holds."""
        holds = self.builder.fcmp_ordered(sign, self.value, self._other(other))
        return Lanes(self.builder, self.builder.select(holds, yes.value, no.value))

    def polynomial(self, coefficients: tuple[float, ...]) -> "Lanes":
        """c[0] + c[1] x + c[2] x^2 + ... by Horner's rule."""
        total = self.like(coefficients[-1])
        for each in coefficients[-2::-1]:
            total = total * self + each
        return total

    def shuffle(self, other: "Lanes", order: list[int]) -> "Lanes":
        """Lanes of both, those of `other` numbered after these."""
        mask = ir.Constant(ir.VectorType(_INDEX, len(order)), order)
        return Lanes(self.builder, self.builder.shuffle_vector(self.value, other.value, mask))

    def total(self) -> Any:
        """The sum of all lanes, a float32 of the program."""
        left = self
        while left.width > 1:
            half = left.width // 2
            low, high = list(range(half)), list(range(half, 2 * half))
            left = left.shuffle(left, low) + left.shuffle(left, high)
        return self.builder.extract_element(left.value, _INDEX(0))


class Register:
    """A vector that changes in a loop."""

    def __init__(self, start: Lanes) -> None:
        self.builder = start.builder
        self.place = cgutils.alloca_once_value(start.builder, start.value)

    def get(self) -> Lanes:
        """What it holds."""
        return Lanes(self.builder, self.builder.load(self.place))

    def add(self, more: Lanes) -> None:
        """Add in place."""
        self.set(self.get() + more)

    def set(self, value: Lanes) -> None:
        """Replace."""
        self.builder.store(value.value, self.place)


class Row:
    """A run of float32 in memory."""

    def __init__(self, builder: Any, place: Any) -> None:
        self.builder, self.place = builder, place

    def __getitem__(self, start: Any) -> Lanes:
        return Lanes(self.builder, self.builder.load(self._vector(start, WIDE), align=4))

    def __setitem__(self, start: Any, value: Lanes) -> None:
        self.builder.store(value.value, self._vector(start, value.width), align=4)

    def element(self, at: int) -> Any:
        """One float32."""
        return self.builder.load(self.builder.gep(self.place, [INT(at)]))

    def after(self, start: Any) -> "Row":
        """The same run from a later element on."""
        return Row(self.builder, self.builder.gep(self.place, [start]))

    def _vector(self, start: Any, width: int) -> Any:
        kind = ir.VectorType(FLOAT, width).as_pointer()
        return self.builder.bitcast(self.builder.gep(self.place, [start]), kind)


class Arguments:
    """The C-contiguous arrays among an intrinsic's arguments, by position."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def __getitem__(self, argument: int) -> Any:
        return self.args[argument]

    def row(self, argument: int, row: Any = None) -> Row:
        """A row of an array; one of one dimension is its only row."""
        array = self._array(argument)
        if row is None:
            return Row(self.builder, array.data)
        return Row(self.builder, array.data).after(self.builder.mul(row, self.length(argument)))

    def length(self, argument: int) -> Any:
        """Length of the rows of an array, int64."""
        shape = self._array(argument).shape
        return self.builder.extract_value(shape, self.signature.args[argument].ndim - 1)

    def whole(self, argument: int, at: Any, more: int = 0) -> Any:
        """The whole number at position at + more of an array of int32, as int64."""
        builder = self.builder
        place = builder.gep(self._array(argument).data, [builder.add(at, INT(more))])
        return builder.sext(builder.load(place), INT)

    def steps(self, count: Any, width: int = WIDE) -> Any:
        """A loop over 0, width, 2 width, ... below count."""
        return cgutils.for_range_slice(self.builder, INT(0), count, INT(width), INT)

    def times(self, count: Any) -> Any:
        """A loop over 0 .. count - 1."""
        return cgutils.for_range(self.builder, count)

    def _array(self, argument: int) -> Any:
        kind = self.signature.args[argument]
        return self.context.make_array(kind)(self.context, self.builder, self.args[argument])
