"""Every text estimator by name; the module of one is imported only when it is used."""

import difflib
from collections.abc import Mapping
from typing import Any

from recembed.errors import DataError
from recembed.registers import made
from recembed.text.encoder import TextEstimator

PLACES = {
    "tf-idf": "recembed.text.tfidf:TfIdf",
    "bag": "recembed.text.bag:Bag",
    "network": "recembed.text.network:Network",
    "sbert": "recembed.text.sbert:SentenceTransformers",
}


def names() -> list[str]:
    """The encoders there are."""
    return list(PLACES)


def text_estimator(name: str, values: Mapping[str, Any] | None = None) -> TextEstimator:
    """The estimator `name` with its defaults, changed by `values` (see settings.change).

    Raises: DataError for an unknown name or hyperparameter, with those there are.
    """
    if name not in PLACES:
        near = difflib.get_close_matches(name, PLACES)
        listed = ", ".join(dict.fromkeys([*near, *PLACES]))
        raise DataError(f"no encoder {name!r}; there is {listed}")
    found: TextEstimator = made("encoder", PLACES, name, values or {})
    return found
