"""Hyperparameters are written once, as fields of a frozen dataclass; this reads and sets them."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

from recembed.errors import DataError

T = TypeVar("T")

MOST = 2**31 - 1  # the largest whole number that all the libraries underneath take


@dataclasses.dataclass(frozen=True)
class Choices:
    """A search takes one of `values`. needs: a column of the log without which none matters."""

    values: tuple[Any, ...]
    needs: str | None = None

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return ",".join(map(str, self.values))


@dataclasses.dataclass(frozen=True)
class Range:
    """A search takes a number from low to high, both allowed, evenly or in the logarithm."""

    low: float
    high: float
    log: bool = False
    needs: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it takes whole numbers only: both ends are written as such."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{':log' if self.log else ''}"


Space: TypeAlias = Choices | Range


def one_of(*values: Any, needs: str | None = None) -> Choices:
    """Each value alike."""
    return Choices(values, needs)


def between(low: float, high: float, *, needs: str | None = None) -> Range:
    """Evenly between two numbers."""
    return Range(low, high, needs=needs)


def log_between(low: float, high: float, *, needs: str | None = None) -> Range:
    """Evenly in the logarithm."""
    return Range(low, high, log=True, needs=needs)


KIND = "kind"  # the field that tells the choices of a part from each other


def setting(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    search: Space | None = None,
) -> Any:
    """A field with its meaning, unit and range (both ends allowed), and where to search it."""
    metadata = {"about": about, "low": low, "high": high, "search": search}
    if dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def check(owner: Any) -> None:
    """Hold every field of a dataclass to its type's choices and its range.

    Raises: DataError naming the field, its value and what it may be.
    """
    hints = typing.get_type_hints(type(owner))
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        choices = typing.get_args(hints[field.name])
        literal = typing.get_origin(hints[field.name]) is Literal
        if parts(hints[field.name]) and type(value) not in choices:
            wanted = ", ".join(f"{one.__name__}()" for one in choices)
            raise DataError(f"{field.name} is one of {wanted}, not {value!r}")
        if literal and value not in choices:
            raise DataError(f"{field.name} is one of {', '.join(map(str, choices))}, not {value!r}")
        _check_range(field, value)


def _check_range(field: dataclasses.Field[Any], value: Any) -> None:
    low, high = field.metadata.get("low"), field.metadata.get("high")
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{field.name} must be a finite number, not {value}")
    if isinstance(value, int) and high is None:
        high = MOST
    if value is not None and low is not None and not value >= low:
        raise DataError(f"{field.name} must be at least {low}, not {value}")
    if value is not None and high is not None and not value <= high:
        raise DataError(f"{field.name} must be at most {high}, not {value}")


def as_dict(owner: Any) -> dict[str, Any]:
    """Nested plain values, as a run's manifest stores them."""
    return dataclasses.asdict(owner)


def flat(owner: Any, prefix: str = "") -> dict[str, Any]:
    """Every hyperparameter by its dotted name."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        if dataclasses.is_dataclass(value):
            found |= flat(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = value
    return found


def kinds(owner: Any, prefix: str = "") -> dict[str, str]:
    """What is chosen for each part that is one of several dataclasses, by dotted name."""
    hints = typing.get_type_hints(type(owner))
    found: dict[str, str] = {}
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        if parts(hints[field.name]):
            found[prefix + field.name] = value.kind
        if dataclasses.is_dataclass(value):
            found |= kinds(value, f"{prefix}{field.name}.")
    return found


def change(owner: T, values: Mapping[str, Any], what: str = "hyperparameter") -> T:
    """A copy with values set by (dotted) name or nested mapping; text is read as the field's type.

    A part that is one of several dataclasses is chosen by its `kind`: tower=NAME, or
    tower.kind=NAME; a new choice begins with its defaults. what: what messages call a field.

    Raises: DataError for an unknown name (with the nearest ones) or a value of the wrong type.
    """
    hints = typing.get_type_hints(type(owner))
    known = _fields(owner)
    changed: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in sorted(values.items(), key=_kinds_first):
        head, _, rest = name.partition(".")
        if head not in known:
            near = difflib.get_close_matches(head, known, 3) or sorted(known)
            raise DataError(f"no {what} {name!r}; there is {', '.join(near)}")
        now = getattr(owner, head)
        if dataclasses.is_dataclass(now):
            new = {rest: value} if rest else _mapping(name, now, hints[head], value)
            inner[head] = inner.get(head, {}) | dict(new)
        elif rest:
            raise DataError(f"{head} has no parts: there is no {name!r}")
        else:
            changed[head] = _read(name, hints[head], value)
    for head, new in inner.items():  # all of a part at once: what it checks may be of several
        changed[head] = _part(head, hints[head], getattr(owner, head), new)
    return dataclasses.replace(owner, **changed)  # type: ignore[type-var]


def _kinds_first(value: tuple[str, Any]) -> int:
    """A part is chosen before it is changed, in whatever order both are given."""
    name, _ = value
    return name.count(".") - name.endswith(f".{KIND}")


def parts(hint: Any) -> dict[str, type]:
    """The dataclasses that a field is one of, by kind; empty where there is no choice."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return {}
    choice: list[Any] = [one for one in typing.get_args(hint) if dataclasses.is_dataclass(one)]
    return {one.kind: one for one in choice}


def _part(name: str, hint: Any, now: Any, values: Mapping[str, Any]) -> Any:
    """A part with values set; of another kind where they say so."""
    choice = parts(hint)
    if not choice:
        return change(now, values)
    kind = values.get(KIND, now.kind)
    if not isinstance(kind, str) or kind not in choice:
        raise DataError(f"{name} is one of {', '.join(choice)}, not {kind!r}")
    if kind != now.kind:
        now = choice[kind]()
    for field in (value.partition(".")[0] for value in values):
        having = [f"{name}={each}" for each, one in choice.items() if field in _fields(one)]
        if having and field not in _fields(now):
            raise DataError(f"{name}={kind} has no {field!r}: choose {' or '.join(having)}")
    return change(now, values, f"hyperparameter of {name}={kind}:")


def _fields(owner: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(owner)]


def _mapping(name: str, now: Any, hint: Any, value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and parts(hint):
        return {KIND: value}
    if not isinstance(value, Mapping):
        inner = ", ".join(f"{name}.{each}" for each in _fields(now))
        raise DataError(f"{name} has parts: set {inner}")
    return value


def _read(name: str, kind: Any, value: Any) -> Any:
    """`value` as `kind`; JSON lists become tuples, text is parsed."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        return _read(name, next(one for one in arguments if one is not type(None)), value)
    if origin is tuple:
        return _texts(name, value)
    if origin is Literal:
        return value
    return _scalar(name, kind, value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise DataError(f"{name} is a list of text, {value!r} is not")
    return tuple(part.strip() for part in parts if part.strip())


def _scalar(name: str, kind: type, value: Any) -> Any:
    wrong = DataError(f"{name} is of type {kind.__name__}, {value!r} is not")
    if kind is bool:
        words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if not isinstance(value, bool):
            raise wrong
        return value
    try:
        read = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if isinstance(value, bool) or (kind is int and not isinstance(value, str) and read != value):
        raise wrong
    return read


def described(owner: Any, prefix: str = "") -> list[str]:
    """One line a hyperparameter: name, default, range or choices, meaning, space.

    Below a part that is one of several stands each of them, what it is and what it has.
    """
    hints = typing.get_type_hints(type(owner))
    lines: list[str] = []
    for field in dataclasses.fields(owner):
        value, name = getattr(owner, field.name), prefix + field.name
        choice = parts(hints[field.name])
        if choice:
            about = field.metadata.get("about", "")
            lines.append(f"{name} = {value.kind!r} {'|'.join(choice)}: {about}")
            for one in choice.values():
                lines += _kind(name, value if one is type(value) else one())
        elif dataclasses.is_dataclass(value):
            lines += described(value, f"{name}.")
        else:
            lines.append(_line(name, hints[field.name], field, value))
    return lines


def _kind(name: str, part: Any) -> list[str]:
    """One choice of a part, and its own hyperparameters, further in."""
    about = {field.name: field.metadata.get("about", "") for field in dataclasses.fields(part)}
    own = [line for line in described(part, f"{name}.") if not line.startswith(f"{name}.{KIND} ")]
    return [f"  {name}={part.kind}: {about[KIND]}", *(f"    {line}" for line in own)]


def _line(name: str, hint: Any, field: dataclasses.Field[Any], value: Any) -> str:
    about, space = field.metadata.get("about", ""), field.metadata.get("search")
    low, high = field.metadata.get("low"), field.metadata.get("high")
    limits = "" if low is None else f" >= {low}" if high is None else f" {low}..{high}"
    if typing.get_origin(hint) is Literal:
        limits = f" {'|'.join(map(str, typing.get_args(hint)))}"
    where = "" if space is None else f" [searched in {space}]"
    return f"{name} = {value!r}{limits}: {about}{where}"
