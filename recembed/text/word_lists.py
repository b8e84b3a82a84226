"""Files of word pairs and analogies, in the forms in which they are passed on."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recembed.errors import DataError

NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)
TAGGED = re.compile(r".+-[nvjar]")  # MEN's sun-n: a noun
CATEGORIES = ("category", "type")
SCORES = ("similarity", "score", "rating", "mean", "human(mean)", "simlex999")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of words and how alike people find them; a higher score is more alike."""

    name: str
    first: list[str]
    second: list[str]
    scores: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Questions:
    """columns: a, b, c and the answer. category: of each question, a place in `categories`."""

    name: str
    columns: tuple[list[str], list[str], list[str], list[str]]
    category: NDArray[np.int64]
    categories: list[str]


@dataclass(frozen=True)
class _Line:
    number: int
    cells: list[str]
    category: str


def read_test(path: Path) -> Pairs | Questions:
    """What a file holds, told from its content.

    With a header: columns word1, word2 and similarity, or word1, word2, word3, target and type;
    others are passed over. Without: two words and a score (and more that is passed over), or four
    words, in sections that begin with ": name". Separated by tab, comma or space; # begins a
    comment. Spaces in a word become "_", and tags of MEN are taken off.

    Raises: DataError naming the file, and the line that does not fit.
    """
    lines = list(_lines(path))
    cells = lines[0].cells if lines else []
    head = ["".join(cell.lower().split()) for cell in cells]
    header = "word1" in head
    if len(lines) <= header:
        raise DataError(f"{path} has no pairs of words and no questions")
    if header:
        return _with_header(path, head, lines[1:])
    if len(cells) > 2 and NUMBER.fullmatch(cells[2]):
        return _pairs(path, lines, (0, 1, 2))
    if len(cells) == 4:
        return _questions(path, lines, (0, 1, 2, 3))
    raise DataError(
        f"line {lines[0].number} of {path} is {' '.join(cells)[:60]!r}: two words and a score are "
        "a pair, four words a question"
    )


def _lines(path: Path) -> Iterable[_Line]:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: convert it") from error
    category = "all"
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(":"):
            category = line[1:].strip()
        elif not line.startswith("#"):
            try:
                cells = _cells(line.rstrip())
            except csv.Error as error:
                raise DataError(f"line {number} of {path} is no line of CSV: {error}") from error
            if any(cells[1:] or cells):  # an index alone is left of pairs that were taken out
                yield _Line(number, cells, category)


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    if "," in line:
        return [cell.strip() for cell in next(csv.reader([line], strict=True))]
    return line.split()


def _with_header(path: Path, head: Sequence[str], lines: list[_Line]) -> Pairs | Questions:
    for line in lines:
        if len(line.cells) != len(head):
            raise _wrong(path, line, f"{len(line.cells)} cells, its header has {len(head)}")
    places = {name: at for at, name in enumerate(head)}
    answer = next((name for name in ("target", "word4") if name in places), None)
    score = next((name for name in SCORES if name in places), None)
    if answer and {"word2", "word3"} <= {*head}:
        kind = next((places[name] for name in CATEGORIES if name in places), None)
        if kind is not None:
            lines = [_Line(line.number, line.cells, line.cells[kind]) for line in lines]
        words = [places[name] for name in ("word1", "word2", "word3", answer)]
        return _questions(path, lines, words)
    if score and "word2" in places:
        return _pairs(path, lines, [places[name] for name in ("word1", "word2", score)])
    raise DataError(
        f"{path} has the columns {', '.join(head)}: it needs word1, word2 and similarity, or "
        "word1, word2, word3 and target"
    )


def _pairs(path: Path, lines: list[_Line], places: Sequence[int]) -> Pairs:
    a, b, score = places
    scores = []
    for line in lines:
        try:
            scores.append(float(line.cells[score]))
        except (ValueError, IndexError):
            raise _wrong(path, line, f"no score: {line.cells}") from None
    first, second = _words(path, lines, (a, b))
    values = np.array(scores)
    if not np.isfinite(values).all():
        raise _wrong(path, lines[int(np.argmin(np.isfinite(values)))], "no finite score")
    return Pairs(path.name, first, second, values)


def _questions(path: Path, lines: list[_Line], places: Sequence[int]) -> Questions:
    for line in lines:
        if len(line.cells) <= max(places):
            raise _wrong(path, line, f"{len(line.cells)} words, a question has 4")
    a, b, c, answer = _words(path, lines, places)
    categories = list(dict.fromkeys(line.category for line in lines))
    code = {name: at for at, name in enumerate(categories)}
    category = np.array([code[line.category] for line in lines], np.int64)
    return Questions(path.name, (a, b, c, answer), category, categories)


def _words(path: Path, lines: list[_Line], places: Sequence[int]) -> list[list[str]]:
    """Words as a vocabulary may have them, a list a place."""
    for line in lines:
        if not all(line.cells[place] for place in places):
            raise _wrong(path, line, f"an empty word: {line.cells}")
    columns = [[line.cells[place] for line in lines] for place in places]
    tagged = all(TAGGED.fullmatch(word) for column in columns for word in column)
    return [
        ["_".join((word[:-2] if tagged else word).split()) for word in column] for column in columns
    ]


def _wrong(path: Path, line: _Line, what: str) -> DataError:
    return DataError(f"line {line.number} of {path} has {what}")
