"""What the item table says of items, as numbers for the item tower."""

import numpy as np
import scipy.sparse as sp

from recembed.data.log import Log
from recembed.errors import DataError
from recembed.training.towers.items import Content
from recembed.training.towers.settings import Features


def content_of(log: Log, features: Features) -> Content:
    """Columns of the item table, aligned with the item vocabulary.

    Raises: DataError without an item table or without a column.
    """
    n_items = log.interactions.n_items
    if not features:
        return Content.none(n_items)
    if log.items is None:
        raise DataError(f"features {', '.join(features.names)} need an item table (--items)")
    rows, meanings = log.items.categories(features.categories)
    sizes = np.diff(rows.offsets)
    share = np.repeat(1 / np.maximum(sizes, 1), sizes).astype(np.float32)
    shape = (n_items, len(meanings))
    sparse = sp.csr_matrix((share, rows.values, rows.offsets), shape=shape)
    return Content(sparse, np.zeros((n_items, 0), np.float32))
