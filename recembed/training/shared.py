"""The fast skip-gram kernel: the negatives of a centre are shared by all its pairs."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from recembed.compiled import njit
from recembed.training.gains import FAST, logistic, softmax
from recembed.training.sampler import draw, subsampled, within
from recembed.training.tiles import axpy, prefetch, scores, stride, update
from recembed.training.version import VERSION

NEAR = 64  # contexts worked on at a time: their scores stay in the first cache


@lru_cache
def kernel(  # noqa: C901 - one hot loop, kept in one piece for the compiler
    width: int, direct: bool, cross_entropy: bool
) -> Callable[..., tuple[float, int]]:
    """The compiled pass over a range of sequences; the arguments are its constants.

    width: of tiles.blocks; direct: there is one block alone; cross_entropy: or logistic loss.
    """
    version = VERSION

    @njit(fastmath=FAST, nogil=True, error_model="numpy", boundscheck=False)
    def run(  # noqa: C901, PLR0913 - one hot loop; its arguments are arrays alone
        values: Any,  # int32 [n]
        offsets: Any,  # int64 [m+1]
        first: int,
        stop: int,
        inputs: Any,  # float32 [n_rows, padded dim]
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
    ) -> tuple[float, int]:
        version  # noqa: B018 - part of the key that compiled code is stored under
        count = -(-targets // width)
        columns = stride(width, count)
        rows = np.zeros(width * count, np.int32)  # the centre, its negatives, padding
        coming = np.zeros(targets, np.int32)  # the negatives of the next centre
        weight, extra = np.zeros(columns, np.float32), np.ones(columns, np.float32)
        extra[0] = -1  # signs of the logistic loss
        near = np.empty(NEAR, np.int32)
        line = np.zeros((NEAR, columns), np.float32)
        change = np.zeros((1 if direct else NEAR, inputs.shape[1]), np.float32)
        sentence = np.empty(np.max(offsets[first + 1 : stop + 1] - offsets[first:stop]), np.int32)
        final, ahead = offsets[stop] - 1, 2 + (0 if past else min(window, NEAR))
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
                begin, end = max(0, i - reach), (i if past else min(size, i + reach + 1))
                if end - begin < (1 if past else 2):
                    continue
                rows[0], weight[0] = sentence[i], 1
                for k in range(1, targets):
                    rows[k] = coming[k]
                    weight[k] = rows[k] != rows[0]  # the centre itself is no negative
                    state, coming[k] = draw(state, alias)
                    prefetch(outputs, coming[k])
                here = offsets[u] + i
                prefetch(outputs, values[min(here + 2, final)])
                prefetch(inputs, values[min(here + ahead, final)])
                if cross_entropy:
                    for k in range(targets):
                        extra[k] = -log_chance[rows[k]]
                j = begin
                while j < end:
                    n = 0
                    while j < end and n < NEAR:
                        near[n] = sentence[j]
                        n += past or j != i
                        j += 1
                    for b in range(0, width * count, width):
                        for c in range(0, n - 1, 2):
                            scores(
                                width, 2, inputs, near[c], near[c + 1], outputs, rows, b, line, c
                            )
                        if n & 1:
                            last = near[n - 1]
                            scores(width, 1, inputs, last, last, outputs, rows, b, line, n - 1)
                    for c in range(n):
                        if cross_entropy:
                            loss += softmax(line, c, extra, weight, 0, lr)
                        else:
                            loss += logistic(line, c, extra, weight, lr)
                    for b in range(0, width * count, width):
                        update(width, direct, inputs, near, n, change, outputs, rows, b, line)
                    if not direct:
                        for c in range(n):
                            axpy(np.float32(1), change, c, inputs, near[c])
                            change[c] = 0
                    pairs += n
        return loss, pairs

    return run  # type: ignore[no-any-return]
