"""Where the words of a two-tower model's texts start: at vectors learned from all items' texts."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from recembed.arrays import Mask, Vectors
from recembed.data.log import Log
from recembed.errors import DataError
from recembed.models.content import counted_words
from recembed.models.text_items import texts_of
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.text.texts import Texts
from recembed.text.tokens import Tokens
from recembed.text.word2vec import Word2Vec
from recembed.text.word_vectors import WordVectors
from recembed.training.towers.settings import Setting

if TYPE_CHECKING:
    from recembed.models.two_tower import TwoTower


def word_starts(
    log: Log, model: "TwoTower", trained: Mask, *, seed: int, machine: Machine, progress: Progress
) -> Vectors:
    """Of the words that content has, in its order, float32 [n_words, dim]; zeros for unknown ones.

    The texts are those of all items in the table, of those that nobody touched as well. The root
    mean square of the numbers is that of numbers from chance.

    Raises: DataError without columns of text.
    """
    features = model.features
    if not features.text or log.items is None:
        raise DataError("features.pretrain needs texts: name their columns, features.text")
    texts = Texts(held=texts_of(log.items, features.text))
    # a title is short: all of its words are kept, and all are near each other
    method = Word2Vec(
        window=10, shrink=False, subsample=0.0, epochs=features.pretrain, learning_rate=0.05
    )
    estimator = WordVectors(model.dim, Tokens(min_count=2), method)
    alone = replace(machine, checkpoint=None)  # that is the towers' own
    words = estimator.fit(texts, seed=seed, machine=alone, progress=progress).words
    about = log.items
    spelled = [word for name in features.text for word in counted_words(about, name, trained)[1]]
    rows = words.vocabulary.rows(spelled)
    known = rows >= 0
    found = np.zeros((len(spelled), model.dim), np.float32)
    found[known] = words.vectors[rows[known]]
    size = np.sqrt(np.mean(np.square(found[known]))) if known.any() else 1.0
    return found * np.float32(Setting.of(model).size / max(size, 1e-30))
