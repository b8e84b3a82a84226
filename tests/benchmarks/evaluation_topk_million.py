"""A process of its own that lists 100 of 100,000 items for a million users; see evaluation_topk.

Prints one JSON object: seconds of the searches, and the share of the catalogue that was listed.
"""

import json
import time

import numpy as np

from recembed.arrays import blocks
from recembed.data.embeddings import Embeddings
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary
from recembed.protocols import Machine
from recembed.search.exact import ExactIndex

USERS, ITEMS, DIM, K, SEEN = 1_000_000, 100_000, 64, 100, 50
BLOCK = 20_000  # users asked for at a time: 16 MB of lists

if __name__ == "__main__":
    random = np.random.default_rng(0)
    users = random.standard_normal((USERS, DIM), np.float32)
    items = random.standard_normal((ITEMS, DIM), np.float32)
    known = np.ones(ITEMS, np.bool_)
    index = ExactIndex(Embeddings(Vocabulary.numbered(ITEMS), items, known), Machine(threads=2))
    listed, seconds = np.zeros(ITEMS, np.int64), 0.0
    for block in blocks(USERS, 1, BLOCK):
        size = block.stop - block.start
        seen = random.integers(0, ITEMS, size * SEEN, np.int32)
        begin = time.perf_counter()
        top = index.search(
            users[block], K, exclude=Sequences(seen, np.arange(size + 1, dtype=np.int64) * SEEN)
        )
        seconds += time.perf_counter() - begin
        listed += np.bincount(top.rows.ravel(), minlength=ITEMS)
    assert listed.sum() == USERS * K
    print(json.dumps({"million_search_seconds": seconds, "million_coverage": (listed > 0).mean()}))
