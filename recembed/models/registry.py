"""Every estimator by name; the module of one is imported only when it is used."""

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError
from recembed.protocols import THIS_MACHINE, Estimator, Fitted, Machine
from recembed.settings import change

PLACES = {
    "popularity": "recembed.models.popularity:Popularity",
    "repeat": "recembed.models.repeat:RepeatPurchase",
    "item-knn": "recembed.models.item_knn:ItemKNN",
    "als": "recembed.models.als:ALS",
    "ials": "recembed.models.ials:IALS",
    "bpr": "recembed.models.bpr:BPR",
    "ease": "recembed.models.ease:EASE",
    "item2vec": "recembed.models.item2vec:Item2Vec",
    "two-tower": "recembed.models.two_tower:TwoTower",
}


def names() -> list[str]:
    """The models there are."""
    return list(PLACES)


def estimator(name: str, values: Mapping[str, Any] | None = None) -> Estimator:
    """The estimator `name` with its defaults, changed by `values` (see settings.change).

    Raises: DataError for an unknown name or hyperparameter, with the nearest ones.
    """
    if name not in PLACES:
        near = difflib.get_close_matches(name, PLACES, 2) or names()
        raise DataError(f"no model {name!r}; there is {', '.join(near)}")
    module, _, attribute = PLACES[name].partition(":")
    default: Estimator = getattr(import_module(module), attribute)()
    return change(default, values or {})


def restore(
    name: str,
    values: Mapping[str, Any],
    items: Vocabulary,
    arrays: Mapping[str, NDArray[Any]],
    machine: Machine = THIS_MACHINE,
) -> Fitted:
    """The model that a run stored."""
    return estimator(name, values).restore(items, arrays, machine)
