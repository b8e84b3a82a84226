"""Frozen dataclasses as JSON values and back."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from recembed.errors import DataError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses as mappings, tuples as lists; JSON has no nan: it becomes null."""
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if field.repr]
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def of_plain(kind: type[T], value: Mapping[str, Any]) -> T:
    """The dataclass that `to_plain` took apart; fields without repr are left at their defaults.

    Raises: DataError if a field is missing or one too many.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind) if field.repr}  # type: ignore[arg-type]
    if set(value) != known:
        odd = sorted(set(value) ^ known)
        raise DataError(f"{kind.__name__} has the fields {', '.join(sorted(known))}, not {odd[0]}")
    return kind(**{name: _read(hints[name], each) for name, each in value.items()})


def _read(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _read(arguments[0], value)
    if kind is float:
        return math.nan if value is None else float(value)
    if dataclasses.is_dataclass(kind):
        return of_plain(kind, value)  # type: ignore[arg-type]
    if origin is tuple:
        return tuple(_read(arguments[0], each) for each in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _read(arguments[1], each) for key, each in value.items()}
    return value
