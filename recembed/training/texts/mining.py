"""Hard negatives: the nearest text that does not belong to a pair."""

import numpy as np

from recembed.arrays import Vectors, unit
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex
from recembed.training.texts.pairs import PairRows, Partners, Rows64

DEPTH = 64  # nearest texts that are looked at: behind so many too near ones there is no finding it


def hard_negatives(
    pairs: PairRows, partners: Partners, vectors: Vectors, nearest: float, machine: Machine
) -> Rows64:
    """Of each pair the second text nearest to its first that is no partner of it, [n]; -1: none.

    vectors [n_texts, dim]. nearest: what has a higher cosine than this share of the pair's own is
    passed over.
    """
    vectors = unit(vectors)
    there = np.unique(pairs.second)
    place = np.full(len(vectors), -1, np.int32)
    place[there] = np.arange(len(there))
    known = np.ones(len(there), np.bool_)
    candidates = Embeddings(Vocabulary.numbered(len(there)), vectors[there], known, "cosine")
    mine = partners.lists.take(pairs.first)
    barred = Sequences(place[mine.values], mine.offsets).keep(place[mine.values] >= 0)
    top = ExactIndex(candidates, machine).search(vectors[pairs.first], DEPTH, exclude=barred)
    own = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
    highest = own - (1 - nearest) * np.abs(own)  # a share of what is below 0 would be above it
    fits = (top.rows >= 0) & (top.scores <= highest[:, None])
    at = np.arange(len(pairs)), fits.argmax(axis=1)
    return np.where(fits[at], there[top.rows[at]], -1)
