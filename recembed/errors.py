"""Errors a user can cause: one clear line each, saying what to do."""

from collections.abc import Sequence
from operator import index
from typing import SupportsIndex


class RecembedError(ValueError):
    """Any error that the caller can act on; the command line prints it as one line, exit 1."""


class DataError(RecembedError):
    """The data is not what it has to be: a missing column, an unparsable time, an unknown id."""


class EmptyLog(DataError):
    """A log without events."""


class RunError(RecembedError):
    """A run folder is missing, cut short, edited, locked, or belongs to another run."""


class Diverged(DataError):
    """Training went astray. model: the last good one, None where there is none."""

    def __init__(self, why: str, model: object = None) -> None:
        super().__init__(why)
        self.model = model


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and what is there nevertheless; the command line prints it as one line, exit 130.

    model: as far as it was trained, None where something else keeps that.
    """

    def __init__(self, why: str, model: object = None) -> None:
        super().__init__(why)
        self.model = model


class MissingExtra(RecembedError):
    """An optional package is needed: the message has the exact command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'recembed[{extra}]'")


def first(values: Sequence[object], most: int = 3) -> str:
    """The first few values as a message shows them: `'a', 'b', 'c'` or `'a', 'b', 'c', ...`."""
    shown = ", ".join(repr(value) for value in values[:most])
    return shown + (", ..." if len(values) > most else "")


def many(n: SupportsIndex, what: str) -> str:
    """`1 event`, `2,000 events`."""
    count = index(n)
    return f"{count:,} {what}{'' if count == 1 else 's'}"
