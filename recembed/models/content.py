"""What the item table says of items, as numbers for the item tower."""

import re
from array import array
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import norm

from recembed.arrays import Mask, Rows, Vectors
from recembed.data.catalogue import Catalogue, listed, textual
from recembed.data.log import Log
from recembed.errors import DataError, first, many
from recembed.text.tokens import word_pattern
from recembed.training.content import Content
from recembed.training.towers.settings import Features

FEWEST = 2  # trained items with a word: what one item alone has, its id learns as well
MOST = 1 << 16  # words of a column, the most frequent: 16 MiB of numbers at dim 64

Read: TypeAlias = Callable[[Catalogue, str, Mask], Any]  # a matrix of n_items rows
Numbers = TypeVar("Numbers", NDArray[np.float32], NDArray[np.float64])


def content_of(log: Log, features: Features, trained: Mask) -> Content:
    """Columns of the item table, aligned with the item vocabulary.

    Only what trained items have counts, as nobody learns anything of the rest: categories and
    words that no trained item has are left out, and numbers are measured against those of trained
    items. trained [n_items].

    Raises: DataError without an item table or a column, where a column is not what it should be or
    trained items have nothing in it, or where trained items are not in the item table.
    """
    n_items = log.interactions.n_items
    if not features:
        return Content.none(n_items)
    about = log.items
    if about is None:
        raise DataError(f"features {', '.join(features.names)} need an item table (--items)")
    if features.uncovered == "refuse":
        _check_covered(about, trained)

    def found(names: tuple[str, ...], read: Read) -> list[Any]:
        return [read(about, name, trained) for name in names]

    none = Content.none(n_items)
    sparse = found(features.categories, categories) + found(features.text, words)
    dense = found(features.numbers, numbers) + found(features.vectors, vectors)
    return Content(
        sp.hstack([none.sparse, *sparse], format="csr", dtype=np.float32),
        np.hstack([none.dense, *dense], dtype=np.float32),
    )


def categories(about: Catalogue, name: str, trained: Mask) -> sp.csr_matrix:
    """Item x category; the categories of an item count alike, and 1 in all."""
    _values(about, name, trained)
    rows, meanings = about.categories((name,))
    ones = np.ones(len(rows.values), np.float32)
    matrix = sp.csr_matrix((ones, rows.values, rows.offsets), shape=(len(trained), len(meanings)))
    matrix.sum_duplicates()
    matrix = matrix[:, matrix[trained].getnnz(axis=0) > 0]
    return _scaled(matrix, np.asarray(matrix.sum(axis=1)).ravel())


def words(about: Catalogue, name: str, trained: Mask) -> sp.csr_matrix:
    """Item x word: how often an item has it times how rare it is, rows of length 1.

    Source: TF-IDF, Salton, Buckley 1988; rarity smoothed as scikit-learn does it.
    """
    counts, _ = counted_words(about, name, trained)
    items = counts[trained].getnnz(axis=0)  # of each word
    rarity = np.log((1 + np.count_nonzero(trained)) / (1 + items)) + 1
    matrix = counts @ sp.diags(rarity)
    return _scaled(matrix, np.asarray(norm(matrix, axis=1), np.float64))


def counted_words(about: Catalogue, name: str, trained: Mask) -> tuple[sp.csr_matrix, list[str]]:
    """Item x word: how often an item has it; and the words, the most frequent first."""
    owner, values = _values(about, name, trained)
    if not textual(values.type):
        raise _wrong(name, values.type, "text")
    code: dict[str, int] = {}
    at, ends = array("i"), array("q", [0])
    pattern = re.compile(word_pattern())
    for text in values.to_pylist():
        at.extend(code.setdefault(word, len(code)) for word in pattern.findall(text.lower()))
        ends.append(len(at))
    rows = np.repeat(owner, np.diff(np.array(ends)))
    shape = (len(trained), len(code))
    counts = sp.csr_matrix((np.ones(len(at)), (rows, np.array(at, np.int32))), shape=shape)
    items = counts[trained].getnnz(axis=0)  # of each word
    kept = np.argsort(-items, kind="stable")[:MOST]
    kept = kept[items[kept] >= FEWEST]
    if not len(kept):
        raise DataError(f"no {FEWEST} trained items share a word of column {name!r}: leave it out")
    spelled = list(code)
    return counts[:, kept], [spelled[word] for word in kept]


def numbers(about: Catalogue, name: str, trained: Mask) -> NDArray[np.float64]:
    """Standardised, [n_items, 1]; 0 where there is none."""
    owner, values = _values(about, name, trained)
    kind = about.column(name).type
    if not _numeric(kind):
        raise _wrong(name, kind, "numbers")
    found = np.full((len(trained), 1), np.nan)
    found[owner, 0] = np.asarray(values.cast(pa.float64(), safe=False))
    _refuse(about, np.flatnonzero(np.isinf(found[:, 0])), f"infinite numbers in column {name!r}")
    return _centred(name, found, ~np.isnan(found[:, 0]), trained)


def vectors(about: Catalogue, name: str, trained: Mask) -> Vectors:
    """Less their mean, then of length 1 in the root mean square, [n_items, m]; 0 for none."""
    owner, values = _values(about, name, trained)
    kind = about.column(name).type
    if not listed(kind) or not _numeric(values.type):
        raise _wrong(name, kind, "vectors")
    flat = np.asarray(values.cast(pa.float32(), safe=False))
    sizes = np.bincount(owner, minlength=len(trained))
    width = int(np.bincount(sizes[sizes > 0]).argmax())
    what = f"no vector of {width} numbers, as the others have, in column {name!r}"
    _refuse(about, np.flatnonzero((sizes > 0) & (sizes != width)), what)
    what = f"numbers that are not finite in column {name!r}"
    _refuse(about, np.unique(owner[~np.isfinite(flat)]), what)
    found = np.zeros((len(trained), width), np.float32)
    found[sizes > 0] = flat.reshape(-1, width)
    return _centred(name, found, sizes > 0, trained)


def _values(about: Catalogue, name: str, trained: Mask) -> tuple[Rows, pa.Array]:
    owner, values = about.values(name)
    if not trained[owner].any():
        raise DataError(
            f"none of {many(np.count_nonzero(trained), 'trained item')} has anything in column "
            f"{name!r}: leave it out, or see whether the ids of the item table are those of the log"
        )
    return owner, values


def _check_covered(about: Catalogue, trained: Mask) -> None:
    missing = np.flatnonzero(trained & ~about.covered)
    if len(missing):
        of = many(np.count_nonzero(trained), "item")
        raise DataError(
            f"{len(missing):,} of {of} of the log have nothing in the item table, first: "
            f"{_first(about, missing)}: see whether their ids are written alike in both, or set "
            "features.uncovered=id-only"
        )


def _refuse(about: Catalogue, items: NDArray[np.intp], what: str) -> None:
    if len(items):
        has = "has" if len(items) == 1 else "have"
        raise DataError(f"{many(len(items), 'item')} {has} {what}, first: {_first(about, items)}")


def _first(about: Catalogue, items: NDArray[np.intp]) -> str:
    return first(about.ids.take(items[:4].astype(np.int32)).to_pylist())


def _wrong(name: str, kind: pa.DataType, what: str) -> DataError:
    return DataError(f"column {name!r} holds {kind}, not {what}: name another")


def _numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _scaled(matrix: sp.csr_matrix, sizes: NDArray[np.floating]) -> sp.csr_matrix:
    scaled: sp.csr_matrix = (sp.diags(1 / np.where(sizes > 0, sizes, 1)) @ matrix).tocsr()
    return scaled


def _centred(name: str, found: Numbers, there: Mask, trained: Mask) -> Numbers:
    """Less the mean of trained rows, over their root mean square length; 0 where nothing is."""
    known = found[there & trained]
    if not len(known) or (known == known[0]).all():
        return np.zeros_like(found)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = found - known.mean(axis=0)
        size = np.sqrt(np.square(centred[there & trained]).sum(axis=1).mean())
    if not np.isfinite(size):
        raise DataError(
            f"column {name!r} holds numbers as large as {abs(known).max():.0e}: scale them"
        )
    return np.where(there[:, None], centred / size, 0).astype(found.dtype)
