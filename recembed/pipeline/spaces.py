"""Where a search looks: the spaces that a model's fields have, or those that users name."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from recembed.errors import DataError, first
from recembed.settings import KIND, Choices, Range, Space, change, flat, kinds


def spaces(owner: Any, prefix: str = "") -> dict[str, Space]:
    """Where to search each hyperparameter that is worth it, by dotted name.

    Parts that are empty (no features, no habits) have nothing to search.
    """
    found: dict[str, Space] = {}
    for field in dataclasses.fields(owner):
        value, space = getattr(owner, field.name), field.metadata.get("search")
        if dataclasses.is_dataclass(value):
            found |= spaces(value, f"{prefix}{field.name}.") if value else {}
        elif space is not None:
            found[prefix + field.name] = space
    return found


def searched(owner: Any, given: Mapping[str, str]) -> dict[str, Space]:
    """The spaces of `owner`, as far as its own values, with those in `given` in their place.

    given: by dotted name, values ("64,128") or a range ("0.01..0.1"; "0.01..0.1:log").

    Raises: DataError for a space that nothing can be drawn from, or that leaves the field's range.
    """
    now = flat(owner)
    own: dict[str, Space] = {}
    for name, space in spaces(owner).items():
        possible = _possible(owner, name, reaching(space, now[name]))
        if possible is not None:
            own[name] = possible
    return own | {name: _space(owner, name, text) for name, text in given.items()}


def reaching(space: Space, value: Any) -> Space:
    """The space, and `value` with it, if that is one that can be in it."""
    if value in space:
        return space
    if isinstance(space, Choices):
        return replace(space, values=(*space.values, value))
    if not isinstance(value, (int, float)) or (space.log and value <= 0):
        return space
    return replace(space, low=min(space.low, value), high=max(space.high, value))


def _possible(owner: Any, name: str, space: Space) -> Space | None:
    """Without the choices that the rest of `owner` rules out; None if a single one remains."""
    if not isinstance(space, Choices):
        return space
    values = tuple(value for value in space.values if _takes(owner, name, value))
    return replace(space, values=values) if len(values) > 1 else None


def _takes(owner: Any, name: str, value: Any) -> bool:
    try:
        change(owner, {name: value})
    except DataError:
        return False
    return True


def free(
    owner: Any, fixed: Mapping[str, Any], given: Mapping[str, str], only: Collection[str] = ()
) -> tuple[dict[str, Space], dict[str, Any]]:
    """The spaces of what is not `fixed`, and what stays: each part's kind, and what is not default.

    owner: changed by `fixed` already. A part of which only the kind is fixed is searched. only: of
    these alone, if any are named.

    Raises: DataError for a name that is fixed and searched, for one of `only` without a space, or
    as `searched` does.
    """
    found, held = searched(owner, given), _names(flat(owner), fixed)
    both = [name for name in (*given, *only) if name in held]
    if both:
        raise DataError(
            f"{first(both)} is fixed (--set) and searched (--space, --only): choose one"
        )
    for name in only:
        if name not in found:
            change(owner, {name: flat(owner).get(name)})  # whether there is such a name
            raise DataError(
                f"{name} has no space of its own: give it one (--space {name}=VALUE,VALUE or "
                f"{name}=LOW..HIGH)"
            )
    chosen = {f"{name}.{KIND}": kind for name, kind in kinds(owner).items()}
    default = flat(change(type(owner)(), chosen))
    kept = {
        name: value for name, value in flat(owner).items() if name in held or value != default[name]
    }
    wanted = [name for name in found if name not in held and (not only or name in only)]
    return {name: found[name] for name in wanted}, chosen | kept


def _names(known: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted names of what `values` (see settings.change) set; tower=NAME is tower.kind."""
    found: set[str] = set()
    for name, value in values.items():
        full = prefix + name
        if isinstance(value, Mapping):
            found |= _names(known, value, f"{full}.")
        else:
            found.add(full if full in known else f"{full}.{KIND}")
    return found


def _space(owner: Any, name: str, text: str) -> Space:
    def read(part: str) -> Any:
        return flat(change(owner, {name: part}))[name]

    if not isinstance(text, str):
        raise DataError(f"a space is text, {name}='8,16' or {name}='8..64:log', not {text!r}")
    part = name.removesuffix(f".{KIND}")
    if part in kinds(owner):
        raise DataError(f"{part} is not searched: fix it ({part}=NAME), a search for each")
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
