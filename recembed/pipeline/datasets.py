"""Public data sets: which there are, what they are, and how to get one."""

import builtins
from pathlib import Path

from recembed.data import cards
from recembed.data.cards import Card
from recembed.progress import Progress


def list() -> builtins.list[Card]:
    """The cards of all data sets."""
    return [*cards.cards().values()]


def show(name: str) -> Card:
    """The card of one. Raises: DataError for an unknown name, with the nearest ones."""
    return cards.card(name)


def fetch(
    name: str,
    *,
    source: str | Path | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Get a data set and say where it lies: a folder that `train` reads.

    source: a folder that holds its files already. out: where data sets are kept; None: the cache.

    Raises: DataError if it cannot be had, or is not what its card says.
    """
    progress = Progress("quiet" if quiet else "auto")
    folder, cache = (None if path is None else Path(path) for path in (source, out))
    return cards.fetch(name, source=folder, cache=cache, progress=progress)
