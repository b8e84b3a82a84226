"""The kernel whose query is a mean of table rows: CBOW, bags of rows, and pair by pair.

CBOW predicts a centre from the weighted mean of its context. Skip-gram predicts each item of the
context from the centre, with negatives of its own and an update after every pair, as word2vec
does: that is slower than negatives shared by a centre, and what those are tested against.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from recembed.training.gains import FAST, logistic, softmax
from recembed.training.sampler import draw, kept, within
from recembed.training.tiles import axpy, prefetch, scores, stride, update
from recembed.training.version import VERSION


@lru_cache
def kernel(  # noqa: C901 - one hot loop, kept in one piece for the compiler
    width: int, cbow: bool, cross_entropy: bool
) -> Callable[..., tuple[float, int]]:
    """The compiled pass over a range of sequences; the arguments are its constants.

    width: of tiles.blocks; cross_entropy: or logistic loss.
    """
    version = VERSION

    @njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False, cache=True)
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
        fade: Any,  # float32 [longest reach]: weight of a context by its distance - 1
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
        most = min(2 * window, longest) if cbow else 1  # rows that make a query
        if len(bags):
            most *= np.max(bag_offsets[1:] - bag_offsets[:-1])
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
            size = 0
            for at in range(offsets[u], offsets[u + 1]):
                state, stays = kept(state, token_keep[values[at]])
                sentence[size] = values[at]
                size += stays
            for i in range(size):
                reach = window
                if shrink:
                    state, reach = within(state, window)
                if cbow or not past:
                    begin, end = max(0, i - reach), (i if past else min(size, i + reach + 1))
                else:
                    begin, end = i + 1, min(size, i + reach + 1)  # what the centre is the past of
                if end - begin < (1 if past else 2):
                    continue
                n, total = 0, np.float32(0)
                for j in range(begin if cbow else i, end if cbow else i + 1):
                    if cbow and j == i:
                        continue
                    share = fade[abs(j - i) - 1] if cbow else np.float32(1)
                    total += share
                    n = unfold(sentence[j], share, bags, bag_offsets, part, pull, push, n)
                query[0] = 0
                for p in range(n):
                    axpy(pull[p] / total, inputs, part[p], query, 0)
                start[0] = query[0]
                for j in range(i if cbow else begin, i + 1 if cbow else end):
                    if not cbow and j == i:
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
                        loss += softmax(line, 0, extra, weight, lr)
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


@njit(inline="always")
def unfold(  # noqa: PLR0913 - arrays
    row: int, share: np.float32, bags: Any, offsets: Any, part: Any, pull: Any, push: Any, n: int
) -> int:
    """Append the table rows that a row is the mean of to `part`; returns how many there are now.

    pull: what each adds to the query. push: how much of the query's change it gets, all of it as
    in word2vec and fastText, whose gradients leave the division of the mean out.
    """
    if len(bags) == 0:
        part[n], pull[n], push[n] = row, share, share
        return n + 1
    first, stop = offsets[row], offsets[row + 1]
    for at in range(first, stop):
        part[n], pull[n], push[n] = bags[at], share / np.float32(stop - first), share
        n += 1
    return n
