"""The exact skip-gram kernel: each pair has negatives of its own and is an update, as in word2vec.

Slower than negatives shared by a centre, and what those are tested against. Here a query may be
the mean of several table rows: a word's character n-grams, an item's categories.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from recembed.compiled import njit
from recembed.training.bags import unfold
from recembed.training.gains import FAST, logistic, softmax
from recembed.training.sampler import draw, subsampled, within
from recembed.training.tiles import axpy, prefetch, scores, stride, update
from recembed.training.version import VERSION


@lru_cache
def kernel(  # noqa: C901 - one hot loop, kept in one piece for the compiler
    width: int, cross_entropy: bool
) -> Callable[..., tuple[float, int]]:
    """The compiled pass over a range of sequences; the arguments are its constants.

    width: of tiles.blocks; cross_entropy: or logistic loss.
    """
    version = VERSION

    @njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False)
    def run(  # noqa: C901, PLR0913 - one hot loop; its arguments are arrays alone
        values: Any,  # int32 [n]
        offsets: Any,  # int64 [m+1]
        first: int,
        stop: int,
        inputs: Any,  # float32 [n_table_rows, padded dim]
        outputs: Any,  # float32 [n_rows, padded dim]
        alias: Any,  # uint64 [n_rows]
        token_keep: Any,  # float32 [n_rows]
        log_chance: Any,  # float32 [n_rows]
        targets: int,  # a positive and its negatives
        window: int,
        past: bool,
        shrink: bool,
        rate: float,
        state: np.uint64,
        bags: Any,  # int32 [n]: rows of the input table; empty: each row is its own bag
        bag_offsets: Any,  # int64 [n_rows+1]
    ) -> tuple[float, int]:
        version  # noqa: B018 - part of the key that compiled code is stored under
        count = -(-targets // width)
        columns = stride(width, count)
        rows = np.zeros(width * count, np.int32)  # the positive, its negatives, padding
        coming = np.zeros(targets, np.int32)  # the next negatives
        weight, extra = np.zeros(columns, np.float32), np.ones(columns, np.float32)
        extra[0] = -1  # signs of the logistic loss
        query = np.zeros((1, inputs.shape[1]), np.float32)
        start, change = query.copy(), query.copy()
        itself, line = np.zeros(1, np.int32), np.zeros((1, columns), np.float32)
        longest = np.max(offsets[first + 1 : stop + 1] - offsets[first:stop])
        sentence = np.empty(longest, np.int32)
        most = np.max(bag_offsets[1:] - bag_offsets[:-1]) if len(bags) else 1  # rows of a query
        part, pull, push = (
            np.empty(most, np.int32),
            np.empty(most, np.float32),
            np.empty(most, np.float32),
        )
        lr = np.float32(rate)
        loss, pairs = 0.0, 0
        for k in range(1, targets):
            state, coming[k] = draw(state, alias)
        for u in range(first, stop):
            state, size = subsampled(
                state, values[offsets[u] : offsets[u + 1]], token_keep, sentence
            )
            for i in range(size):
                reach = window
                if shrink:
                    state, reach = within(state, window)
                # a centre predicts what it is the context of
                begin, end = (i + 1 if past else max(0, i - reach)), min(size, i + reach + 1)
                if end - begin < (1 if past else 2):
                    continue
                n = unfold(sentence[i], np.float32(1), bags, bag_offsets, part, pull, push, 0)
                query[0] = 0
                for p in range(n):
                    axpy(pull[p], inputs, part[p], query, 0)
                start[0] = query[0]
                for j in range(begin, end):
                    if j == i:
                        continue
                    rows[0], weight[0] = sentence[j], 1
                    for k in range(1, targets):
                        rows[k] = coming[k]
                        weight[k] = rows[k] != rows[0]  # the positive itself is no negative
                        state, coming[k] = draw(state, alias)
                        prefetch(outputs, coming[k])
                    if cross_entropy:
                        for k in range(targets):
                            extra[k] = -log_chance[rows[k]]
                    for b in range(0, width * count, width):
                        scores(width, 1, query, 0, 0, outputs, rows, b, line, 0)
                    if cross_entropy:
                        loss += softmax(line, 0, extra, weight, 0, lr)
                    else:
                        loss += logistic(line, 0, extra, weight, lr)
                    for b in range(0, width * count, width):
                        update(width, False, query, itself, 1, change, outputs, rows, b, line)
                    axpy(np.float32(1), change, 0, query, 0)
                    change[0] = 0
                    pairs += 1
                axpy(np.float32(-1), start, 0, query, 0)
                for p in range(n):
                    axpy(push[p], query, 0, inputs, part[p])
        return loss, pairs

    return run  # type: ignore[no-any-return]
