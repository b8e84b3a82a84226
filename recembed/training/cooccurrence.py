"""How often rows stand near each other, counted in memory that does not grow with the corpus.

A pair is kept with its later row first: rows are numbered from the most frequent one on, so that a
run of pairs of one row, a rare one, meets others that are frequent, whose vectors are at hand.

A block of the corpus at a time, the columns of one row after another are summed up in a dense line:
nothing is hashed or sorted. Blocks leave their pairs in a file by rows; a line sums these up again.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.arrays import blocks, offsets_of, stable_order
from recembed.compiled import njit
from recembed.data.sequences import Sequences
from recembed.progress import QUIET, Progress

PAIR = np.dtype([("row", np.int32), ("column", np.int32), ("weight", np.float32)])
PAIRS_A_PART = 1 << 20  # of a training in pieces: 12 MiB
TOKEN = 32  # bytes of scratch that counting takes for a token
BREAK = -1  # stands between two sequences

Pairs: TypeAlias = NDArray[np.void]  # of PAIR


def count(
    corpus: Sequences,
    n_rows: int,
    window: int,
    folder: Path,
    *,
    memory: int,
    seed: int = 0,
    progress: Progress = QUIET,
) -> list[Path]:
    """Write pairs of rows to files in `folder`, a random share of all to each, by rows in each.

    The weight of a pair is the sum of 1 / distance over the places where both stand in a sequence,
    `window` apart at most. It is symmetric: a pair stands for its mirror image, too, column <= row.
    corpus: may be memory-mapped. memory: bytes, about, beside lines of n_rows and a part or two.

    Source: Pennington, Socher, Manning 2014, GloVe, section 4.2.
    """
    runs, edges, tokens = folder / "runs", [0], len(corpus.values)
    window = min(window, int(corpus.sizes.max()))
    near = np.append(0, 1 / np.arange(1, window + 1))
    with runs.open("wb") as file, progress.task("counting pairs", tokens, "tokens") as task:
        for block in blocks(tokens, TOKEN, memory):
            text, new = _text(corpus, block, window)
            for pairs in _lines(partial(_count, text, new, near, *_places(text, n_rows)), n_rows):
                pairs.tofile(file)
            edges.append(file.tell() // PAIR.itemsize)
            task.advance(block.stop - block.start)
    found = _merged(runs, edges, n_rows)
    files = _dealt(found, -(-edges[-1] // PAIRS_A_PART), folder, seeds.rng(seed, "cooccurrence"))
    runs.unlink()
    return files


def _text(corpus: Sequences, block: slice, window: int) -> tuple[NDArray[np.int32], int]:
    """The tokens of a block behind the `window` before them, and where its own begin."""
    lead = max(0, block.start - window)
    edges = np.searchsorted(corpus.offsets, [lead + 1, block.start + 1, block.stop])
    cuts = corpus.offsets[edges[0] : edges[2]] - lead
    new = block.start - lead + int(edges[1] - edges[0])
    return np.insert(corpus.values[lead : block.stop], cuts, BREAK), new


def _merged(runs: Path, edges: list[int], n_rows: int) -> Iterator[Pairs]:
    """Pairs of all runs, by rows; run r is edges[r] .. edges[r + 1] - 1."""
    if edges[-1] == 0:
        return
    pairs = np.memmap(runs, PAIR, mode="r")
    at, stops = np.array(edges[:-1]), np.array(edges[1:])
    yield from _lines(partial(_merge, pairs, at, stops), n_rows)


def _dealt(
    found: Iterator[Pairs], n_files: int, folder: Path, random: np.random.Generator
) -> list[Path]:
    """Each pair goes to a file by chance."""
    files = [folder / f"pairs-{at}" for at in range(n_files)]
    for pairs in found:
        to = random.integers(n_files, size=len(pairs))
        dealt = pairs[stable_order(to)]
        edges = offsets_of(np.bincount(to, minlength=n_files))
        for path, first, stop in zip(files, edges, edges[1:], strict=False):
            with path.open("ab") as file:
                dealt[first:stop].tofile(file)
    return [path for path in files if path.exists()]


def _lines(step: Callable[..., tuple[int, int]], n_rows: int) -> Iterator[Pairs]:
    """What `step` finds, some rows at a time; each is to be used before the next."""
    sums, columns = np.zeros(n_rows), np.empty(n_rows, np.int32)
    out = np.empty(PAIRS_A_PART + n_rows, PAIR)
    row = 0
    while row < n_rows:
        row, n = step(row, sums, columns, out)
        yield out[:n]


@njit(nogil=True, boundscheck=False)
def _places(text: Any, n_rows: int) -> Any:
    """Where each row stands: row r at places[starts[r] : starts[r + 1]]."""
    starts = np.zeros(n_rows + 1, np.int64)
    for row in text:
        if row != BREAK:
            starts[row + 1] += 1
    starts = np.cumsum(starts)
    places, free = np.empty(starts[-1], np.int32), starts.copy()
    for at, row in enumerate(text):
        if row != BREAK:
            places[free[row]] = at
            free[row] += 1
    return places, starts


@njit(inline="always")
def _add(sums: Any, columns: Any, n: int, column: int, weight: float) -> int:
    """Add to one of n columns; returns how many there are now."""
    if sums[column] == 0:
        columns[n] = column
        n += 1
    sums[column] += weight
    return n


@njit(inline="always")
def _emit(row: int, sums: Any, columns: Any, n: int, out: Any, size: int) -> int:
    """Move n columns of a row to the end of `out`, and make the line empty; its new size."""
    for column in columns[:n]:
        out[size]["row"] = row
        out[size]["column"] = column
        out[size]["weight"] = sums[column]
        sums[column] = 0
        size += 1
    return size


@njit(nogil=True, boundscheck=False)
def _count(  # noqa: C901, PLR0913 - one hot loop; its arguments are arrays alone
    text: Any,  # int32 [n]
    new: int,  # pairs whose later token stands before here were counted with another block
    near: Any,  # float64 [window + 1]: weight by distance
    places: Any,
    starts: Any,
    row: int,
    sums: Any,  # float64 [n_rows], zeros
    columns: Any,  # int32 [n_rows]
    out: Any,
) -> tuple[int, int]:
    """Fill `out` with the pairs of `row` and later rows; the next row, and how many there are."""
    size = 0
    while row < len(sums) and size + row < len(out):  # a row has at most row + 1 columns
        n = 0
        for place in places[starts[row] : starts[row + 1]]:
            if place >= new:
                for d in range(1, min(len(near) - 1, place) + 1):
                    column = text[place - d]
                    if column == BREAK:
                        break
                    if column <= row:
                        n = _add(sums, columns, n, column, near[d])
            for d in range(1, min(len(near), len(text) - place)):
                column = text[place + d]
                if column == BREAK:
                    break
                if column <= row and place + d >= new:
                    n = _add(sums, columns, n, column, near[d])
        size = _emit(row, sums, columns, n, out, size)
        row += 1
    return row, size


@njit(nogil=True, boundscheck=False)
def _merge(
    pairs: Any, at: Any, stops: Any, row: int, sums: Any, columns: Any, out: Any
) -> tuple[int, int]:
    """The same from runs of pairs by rows, at[r] .. stops[r] - 1 each; at moves on."""
    size = 0
    while row < len(sums) and size + row < len(out):
        n = 0
        for run in range(len(at)):
            while at[run] < stops[run] and pairs[at[run]]["row"] == row:
                pair = pairs[at[run]]
                n = _add(sums, columns, n, pair["column"], pair["weight"])
                at[run] += 1
        size = _emit(row, sums, columns, n, out, size)
        row += 1
    return row, size
