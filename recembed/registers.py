"""What is found by its name: classes of hyperparameters, imported only when they are used."""

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from recembed.errors import DataError
from recembed.settings import change


def made(what: str, places: Mapping[str, str], name: str, values: Mapping[str, Any]) -> Any:
    """The class at places[name], "module:class", with its defaults changed by `values`.

    what: what messages call it. Raises: DataError for an unknown name, with the nearest ones.
    """
    if name not in places:
        raise unknown(what, name, places)
    module, _, attribute = places[name].partition(":")
    return change(getattr(import_module(module), attribute)(), values)


def unknown(what: str, name: str, names: Iterable[str]) -> DataError:
    """That there is no such one, with the nearest ones, or else all."""
    known = list(names)
    near = difflib.get_close_matches(name, known, 2) or known
    return DataError(f"no {what} {name!r}; there is {', '.join(near)}")
