"""The CBOW kernel: a centre is predicted from the weighted mean of its context.

Centres beside each other may share their negatives, so that many of them cost a matrix product
and not a walk through memory for each centre.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from recembed.compiled import njit
from recembed.training.bags import unfold
from recembed.training.gains import FAST, logistic, softmax
from recembed.training.sampler import draw, kept, subsampled, within
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
        targets: int,  # a centre and its negatives
        window: int,
        past: bool,
        shrink: bool,
        rate: float,
        state: np.uint64,
        bags: Any,  # int32 [n]: rows of the input table; empty: each row is its own bag
        bag_offsets: Any,  # int64 [n_rows+1]
        fade: Any,  # float32 [longest reach]: weight of a context by its distance - 1
        context_keep: np.float32,  # chance of an item of the context
        together: int,  # centres that share their negatives
    ) -> tuple[float, int]:
        version  # noqa: B018 - part of the key that compiled code is stored under
        negatives = targets - 1
        count = -(-negatives // width)
        centre = width * count  # the column of the centre, after those of the negatives
        columns = stride(width, count + 1)
        rows = np.zeros(centre + 1, np.int32)
        coming = np.zeros(negatives, np.int32)  # the next negatives
        weight, extra = np.zeros(columns, np.float32), np.ones(columns, np.float32)
        weight[centre], extra[centre] = 1, -1  # signs of the logistic loss
        query = np.zeros((together, inputs.shape[1]), np.float32)
        change, line = query.copy(), np.zeros((together, columns), np.float32)
        near, at_hand = np.arange(together).astype(np.int32), np.empty(together, np.int32)
        longest = np.max(offsets[first + 1 : stop + 1] - offsets[first:stop])
        sentence = np.empty(longest, np.int32)
        most = together * min(2 * window, longest)  # rows that make the queries
        if len(bags):
            most *= np.max(bag_offsets[1:] - bag_offsets[:-1])
        part, ends = np.empty(most, np.int32), np.zeros(together + 1, np.int64)
        pull, push = np.empty(most, np.float32), np.empty(most, np.float32)
        lr = np.float32(rate)
        loss, pairs = 0.0, 0
        for k in range(negatives):
            state, coming[k] = draw(state, alias)
        for u in range(first, stop):
            state, size = subsampled(
                state, values[offsets[u] : offsets[u + 1]], token_keep, sentence
            )
            i = 0
            while i < size:
                m = 0
                while i < size and m < together:
                    reach = window
                    if shrink:
                        state, reach = within(state, window)
                    n, total = ends[m], np.float32(0)
                    for j in range(max(0, i - reach), i if past else min(size, i + reach + 1)):
                        state, stays = kept(state, context_keep)
                        if j != i and stays:
                            share = fade[abs(j - i) - 1]
                            total += share
                            n = unfold(sentence[j], share, bags, bag_offsets, part, pull, push, n)
                    if n > ends[m] and total > 0:  # 0 where all that stayed has faded
                        query[m] = 0
                        for p in range(ends[m], n):
                            axpy(pull[p] / total, inputs, part[p], query, m)
                        at_hand[m], ends[m + 1] = sentence[i], n
                        m += 1
                    i += 1
                if m == 0:
                    continue
                for k in range(negatives):
                    rows[k] = coming[k]
                    state, coming[k] = draw(state, alias)
                    prefetch(outputs, coming[k])
                if cross_entropy:
                    for k in range(negatives):
                        extra[k] = -log_chance[rows[k]]
                for b in range(0, centre, width):
                    for c in range(0, m - 1, 2):
                        scores(width, 2, query, c, c + 1, outputs, rows, b, line, c)
                    if m & 1:
                        scores(width, 1, query, m - 1, m - 1, outputs, rows, b, line, m - 1)
                for c in range(m):
                    rows[centre] = at_hand[c]
                    scores(1, 1, query, c, c, outputs, rows, centre, line, c)
                    for k in range(negatives):
                        weight[k] = rows[k] != rows[centre]  # the centre itself is no negative
                    if cross_entropy:
                        extra[centre] = -log_chance[rows[centre]]
                        loss += softmax(line, c, extra, weight, centre, lr)
                    else:
                        loss += logistic(line, c, extra, weight, lr)
                for b in range(0, centre, width):
                    update(width, False, query, near, m, change, outputs, rows, b, line)
                for c in range(m):
                    rows[centre] = at_hand[c]
                    own = slice(c, c + 1)
                    update(
                        1, False, query, near[own], 1, change[own], outputs, rows, centre, line[own]
                    )
                    for p in range(ends[c], ends[c + 1]):
                        axpy(push[p], change, c, inputs, part[p])
                    change[c] = 0
                pairs += m
        return loss, pairs

    return run  # type: ignore[no-any-return]
