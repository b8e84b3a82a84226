"""Files of text pairs and of labelled texts, told from their columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recembed.data.files import Table
from recembed.errors import DataError
from recembed.text.pairs import TextPairs
from recembed.text.tables import TextColumns, open_texts, text_column

USUAL = TextColumns()
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts, and the label of each."""

    texts: Sequence[str]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)


def read_test(path: Path, columns: TextColumns = USUAL) -> TextPairs | Labelled:
    """Pairs where a file has two columns of them, else texts and labels.

    Raises: DataError for a file that holds neither, naming its columns or the line that is wrong.
    """
    table = open_texts(path)
    first, second = columns.find("first", table), columns.find("second", table)
    if first and second:
        return _pairs(table, columns, first, second)
    text, label = columns.find("text", table), columns.find("label", table)
    if text and label:
        return _labelled(table, text, label)
    raise _neither(table)


def read_pairs(path: Path, columns: TextColumns = USUAL) -> TextPairs:
    """Pairs: sentence1, sentence2 and score; anchor, positive and negative; query, document ...

    Raises: DataError for a file without such columns, or naming the line that is wrong.
    """
    found = read_test(path, columns)
    if isinstance(found, Labelled):
        raise DataError(f"{path.name} has labelled texts: pairs of texts are needed")
    return found


def without_empty(pairs: TextPairs, file: str = "this file") -> tuple[TextPairs, int]:
    """The pairs that have two texts, and how many have not: there is nothing to learn from those.

    Raises: DataError if all have an empty one, naming the file.
    """
    texts = zip(pairs.first, pairs.second, strict=True)
    rows = np.array([bool(one.strip() and other.strip()) for one, other in texts])
    if not rows.any():
        raise DataError(f"each of the pairs of {file} has an empty text: no pair to learn from")
    return pairs.take(np.flatnonzero(rows)), int(np.count_nonzero(~rows))


def _neither(table: Table) -> DataError:
    return DataError(
        f"{table.name} has the columns {', '.join(table.columns)}: pairs are sentence1, sentence2 "
        "(and score) or anchor, positive (and negative), labelled texts are text and label; say "
        "which is which: first=..., second=..."
    )


def _pairs(table: Table, columns: TextColumns, first: str, second: str) -> TextPairs:
    score, negative = columns.find("score", table), columns.find("negative", table)
    if score is None and "label" in table.columns:  # a score to some, to others a class
        raise DataError(
            f"{table.name} has pairs with a label: if it says how alike they are, name it "
            "(score=label), else leave it out of the file"
        )
    texts = [name for name in (first, second, negative) if name is not None]
    data = _read(table, texts, score)
    found = {name: text_column(table, data, name) for name in texts}
    return TextPairs(
        found[first],
        found[second],
        None if score is None else _scores(table, data, score),
        None if negative is None else found[negative],
    )


def _labelled(table: Table, text: str, label: str) -> Labelled:
    data = _read(table, [text], label)
    labels = data.column(label).to_pylist()
    missing = [at for at, one in enumerate(labels) if one is None or one != one]  # nan is unequal
    if missing:
        raise DataError(f"{table.where(missing[0])} has no label in {label!r}")
    return Labelled(text_column(table, data, text), list(map(str, labels)))


def _read(table: Table, texts: Sequence[str], other: str | None) -> pa.Table:
    names = [*texts, *([] if other is None else [other])]
    if len({*names}) < len(names):
        raise DataError(f"{table.name}: {', '.join(names)} are to be different columns")
    data = table.read(names, texts)
    if not len(data):
        raise DataError(f"{table.name} has no rows")
    return data


def _scores(table: Table, data: pa.Table, name: str) -> NDArray[np.float32]:
    values = data.column(name).to_pylist()
    found = np.array([_number(value) for value in values], np.float64)
    wrong = np.flatnonzero(~(np.abs(found) <= LARGEST))
    if len(wrong):
        at = int(wrong[0])
        shown = repr(values[at])[:60]
        raise DataError(f"{table.where(at)}: the score {shown} is no finite number of float32")
    return found.astype(np.float32)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
