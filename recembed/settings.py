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


def spaces(owner: Any, prefix: str = "") -> dict[str, Space]:
    """Where to search each hyperparameter that is worth it, by dotted name."""
    found: dict[str, Space] = {}
    for field in dataclasses.fields(owner):
        value, space = getattr(owner, field.name), field.metadata.get("search")
        if dataclasses.is_dataclass(value):
            found |= spaces(value, f"{prefix}{field.name}.")
        elif space is not None:
            found[prefix + field.name] = space
    return found


def searched(owner: Any, given: Mapping[str, str]) -> dict[str, Space]:
    """The spaces of `owner`, with those in `given` in their place.

    given: by dotted name, values ("64,128") or a range ("0.01..0.1"; "0.01..0.1:log").

    Raises: DataError for a space that nothing can be drawn from, or that leaves the field's range.
    """
    return spaces(owner) | {name: _space(owner, name, text) for name, text in given.items()}


def _space(owner: Any, name: str, text: str) -> Space:
    def read(part: str) -> Any:
        return flat(change(owner, {name: part}))[name]

    if not isinstance(text, str):
        raise DataError(f"a space is text, {name}='8,16' or {name}='8..64:log', not {text!r}")
    if isinstance(flat(owner).get(name), tuple):
        raise DataError(f"{name} is a list of text, which cannot be searched: fix it")
    ends, _, scale = text.partition(":")
    low, dots, high = ends.partition("..")
    if not dots:
        return Choices(tuple(dict.fromkeys(read(part.strip()) for part in text.split(","))))
    found = Range(read(low.strip()), read(high.strip()), log=scale == "log")
    wrong = _not_drawn(found, scale)
    if wrong:
        raise DataError(f"{name} cannot be searched in {text!r}: {wrong}")
    return found


def _not_drawn(found: Range, scale: str) -> str | None:
    """Why no number can be drawn, None if one can."""
    if not all(type(end) in (int, float) for end in (found.low, found.high)):
        return "its ends are no numbers: name its values (a,b,c)"
    if scale not in ("", "log"):
        return f"there is no scale {scale!r}: write :log, or nothing"
    if found.low > found.high:
        return f"{found.low} is above {found.high}"
    if found.log and found.low <= 0:
        return "a logarithm needs ends above 0"
    return None


def change(owner: T, values: Mapping[str, Any], what: str = "hyperparameter") -> T:
    """A copy with values set by (dotted) name or nested mapping; text is read as the field's type.

    A part that is one of several dataclasses is chosen by its `kind`: tower=NAME, or
    tower.kind=NAME; a new choice begins with its defaults. what: what messages call a field.

    Raises: DataError for an unknown name (with the nearest ones) or a value of the wrong type.
    """
    hints = typing.get_type_hints(type(owner))
    known = {field.name for field in dataclasses.fields(owner)}  # type: ignore[arg-type]
    changed: dict[str, Any] = {}
    for name, value in sorted(values.items(), key=_kinds_first):
        head, _, rest = name.partition(".")
        if head not in known:
            near = difflib.get_close_matches(head, known, 3) or sorted(known)
            raise DataError(f"no {what} {name!r}; there is {', '.join(near)}")
        now = changed.get(head, getattr(owner, head))
        if dataclasses.is_dataclass(now):
            inner = {rest: value} if rest else _mapping(name, hints[head], value)
            changed[head] = _part(head, hints[head], now, inner)
        elif rest:
            raise DataError(f"{head} has no parts: there is no {name!r}")
        else:
            changed[head] = _read(name, hints[head], value)
    return dataclasses.replace(owner, **changed)  # type: ignore[type-var]


def _kinds_first(value: tuple[str, Any]) -> int:
    """A part is chosen before it is changed, in whatever order both are given."""
    name, _ = value
    return name.count(".") - name.endswith(f".{KIND}")


def parts(hint: Any) -> dict[str, type]:
    """The dataclasses that a field is one of, by kind; empty where there is no choice."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return {}
    return {one.kind: one for one in typing.get_args(hint) if dataclasses.is_dataclass(one)}  # type: ignore[attr-defined]


def _part(name: str, hint: Any, now: Any, values: Mapping[str, Any]) -> Any:
    """A part with values set; of another kind where they say so."""
    kinds = parts(hint)
    if not kinds or KIND not in values:
        return change(now, values)
    kind = values[KIND]
    if kind not in kinds:
        raise DataError(f"{name} is one of {', '.join(kinds)}, not {kind!r}")
    rest = {key: value for key, value in values.items() if key != KIND}
    return change(now if kind == now.kind else kinds[kind](), rest)


def _mapping(name: str, hint: Any, value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and parts(hint):
        return {KIND: value}
    if not isinstance(value, Mapping):
        raise DataError(f"{name} has parts: set them as {name}.PART=VALUE")
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
    """One line a hyperparameter: name, default, range or choices, meaning, space."""
    hints = typing.get_type_hints(type(owner))
    lines: list[str] = []
    for field in dataclasses.fields(owner):
        value, about = getattr(owner, field.name), field.metadata.get("about", "")
        kinds = parts(hints[field.name])
        if kinds:
            name = f"{prefix}{field.name}"
            lines.append(f"{name} = {value.kind!r} {'|'.join(kinds)}: {about}")
            for kind in kinds.values():
                lines += described(kind(), f"{name}.")
        elif dataclasses.is_dataclass(value):
            lines += described(value, f"{prefix}{field.name}.")
        else:
            lines.append(_line(prefix + field.name, hints[field.name], field, value))
    return lines


def _line(name: str, hint: Any, field: dataclasses.Field[Any], value: Any) -> str:
    about, space = field.metadata.get("about", ""), field.metadata.get("search")
    low, high = field.metadata.get("low"), field.metadata.get("high")
    limits = "" if low is None else f" >= {low}" if high is None else f" {low}..{high}"
    if typing.get_origin(hint) is Literal:
        limits = f" {'|'.join(map(str, typing.get_args(hint)))}"
    where = "" if space is None else f" [searched in {space}]"
    return f"{name} = {value!r}{limits}: {about}{where}"
