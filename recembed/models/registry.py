"""Every estimator by name; the module of one is imported only when it is used."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recembed.data.vocabulary import Vocabulary
from recembed.protocols import THIS_MACHINE, Estimator, Fitted, Machine
from recembed.registers import made

PLACES = {
    "popularity": "recembed.models.popularity:Popularity",
    "repeat": "recembed.models.repeat:RepeatPurchase",
    "item-knn": "recembed.models.item_knn:ItemKNN",
    "als": "recembed.models.als:ALS",
    "ials": "recembed.models.ials:IALS",
    "bpr": "recembed.models.bpr:BPR",
    "lightgcn": "recembed.models.lightgcn:LightGCN",
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
    found: Estimator = made("model", PLACES, name, values or {})
    return found


def restore(
    name: str,
    values: Mapping[str, Any],
    items: Vocabulary,
    arrays: Mapping[str, NDArray[Any]],
    machine: Machine = THIS_MACHINE,
) -> Fitted:
    """The model that a run stored."""
    return estimator(name, values).restore(items, arrays, machine)
