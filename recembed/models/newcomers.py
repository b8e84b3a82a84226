"""Items that a model was not trained with: their vectors, from what it learned of content."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recembed.arrays import Mask, Rows
from recembed.data.log import Log
from recembed.errors import DataError, RunError
from recembed.models.content import content_of
from recembed.models.features import Features
from recembed.models.history import HistoryModel
from recembed.models.item2vec import Item2Vec
from recembed.models.tower_model import TowerModel
from recembed.models.two_tower import TwoTower
from recembed.protocols import Arrays, Estimator, Fitted, VectorModel
from recembed.training.habits import usual_share

# arrays of vector models
PER_ITEM = ("inputs", "outputs", "factors", "table", "bias", "shares", "known")


def newcomers(estimator: Estimator, model: Fitted, log: Log, *, texts: bool = False) -> Arrays:
    """What `model.arrays()` lacks of the items of a log, by the names it has there.

    log: the one that was trained on, with other items after its own. An item gets the vector that
    it would have had as an item without events in training; it is not known where its columns have
    nothing that the model learned of.

    texts: whether their texts may place what the model learned nothing of; it is not known then.

    Raises: DataError if the model learned nothing of content, or has no vectors.
    """
    if isinstance(estimator, TwoTower) and isinstance(model, TowerModel) and model.content:
        return _of_towers(estimator, model, log)
    if isinstance(estimator, Item2Vec) and isinstance(model, HistoryModel) and model.features:
        return _of_histories(estimator, model, log)
    if not isinstance(model, VectorModel):
        raise DataError(
            f"{estimator.name} has no vectors to place an item by, also where an encoder of texts "
            "is attached: train again with the items, or train item2vec, als or two-tower"
        )
    if not texts:
        raise DataError(
            f"this {estimator.name} cannot place an item that it was not trained with: attach an "
            "encoder of texts (recembed attach), or train item2vec with features, or two-tower "
            "with features.categories, text or numbers"
        )
    return _unknown(model.arrays(), log)


def _of_towers(estimator: TwoTower, model: TowerModel, log: Log) -> Arrays:
    trained, rows = _trained(model.content, log), _after(model.table.vectors, log)
    content = content_of(log, estimator.features, trained)
    sparse, dense = model.content["sparse"], model.content["dense"]
    _check((content.sparse.shape[1], content.dense.shape[1]), (len(sparse), len(dense)))
    content = content.take(rows)
    vectors, known = content.mapped(sparse, dense), content.known
    found: Arrays = {"table": vectors, "known": known.astype(np.uint8)}
    if model.shares is not None:
        usual = usual_share(model.shares[trained[: len(model.shares)]])
        found["shares"] = np.full(len(rows), usual, np.float32)
    if model.bias is not None:
        usual = model.bias[trained[: len(model.bias)]].mean()
        found["bias"] = np.where(known, usual, 0).astype(np.float32)
    return found


def _of_histories(estimator: Item2Vec, model: HistoryModel, log: Log) -> Arrays:
    rows = _after(model.items.vectors, log)
    features = Features.of(log, estimator.features, _trained(model.features, log))
    _check(features.categories.shape[1:], (len(model.features["inputs"]),))
    inputs, outputs = features.untouched(model.features, rows)
    known = features.categories[rows].getnnz(axis=1) > 0
    retrieved = estimator.retrieved(inputs, outputs)
    return {"inputs": inputs, "outputs": retrieved, "known": known.astype(np.uint8)}


def _unknown(arrays: Arrays, log: Log) -> Arrays:
    """Zeros for each later item in every array that has a row an item."""
    n = log.interactions.n_items - len(arrays["known"])
    tables = {name: arrays[name] for name in PER_ITEM if name in arrays}
    return {name: np.zeros((n, *each.shape[1:]), each.dtype) for name, each in tables.items()}


def _trained(learned: Mapping[str, NDArray[Any]], log: Log) -> Mask:
    """Items that content was learned from, of all that there are now, [n_items]."""
    trained = np.zeros(log.interactions.n_items, np.bool_)
    trained[: len(learned["trained"])] = learned["trained"]
    return trained


def _after(vectors: NDArray[np.float32], log: Log) -> Rows:
    return np.arange(len(vectors), log.interactions.n_items, dtype=np.int32)


def _check(found: tuple[int, ...], learned: tuple[int, ...]) -> None:
    if found != learned:
        raise RunError(
            f"the item table has {found} categories, words and numbers where the model learned of "
            f"{learned}: it is not the one that was trained with; train again"
        )
