"""Arrays of a part among those of a whole: `name.part`."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recembed.protocols import Arrays


def under(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """A part's arrays as the whole stores them."""
    return {f"{name}.{part}": array for part, array in arrays.items()}


def part_of(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The reverse."""
    head = f"{name}."
    return {
        part.removeprefix(head): array for part, array in arrays.items() if part.startswith(head)
    }
