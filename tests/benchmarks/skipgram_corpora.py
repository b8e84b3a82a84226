"""What `bin/bench skipgram` trains on: real corpora as Sequences and as text, Zipf's on disk."""

import lzma
import os
import re
import shutil
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness import ROOT, BenchError
from recembed import seed as seeds
from recembed.arrays import offsets_of
from recembed.data.read import read_log
from recembed.data.sequences import Sequences
from recembed.data.vocabulary import Vocabulary

SCRATCH = ROOT / ".bench" / "skipgram"
MIN_COUNT = 5  # word2vec's
BOOK_TOKENS = 2_000_000  # of 10.9 million: gensim takes a minute or more for an epoch of all
CHUNK = 1 << 20  # tokens drawn at a time


@dataclass(frozen=True, eq=False)
class Corpus:
    """The same tokens twice: as rows, and as lines of a text file for others."""

    name: str
    sequences: Sequences
    n_rows: int
    text: Path

    @property
    def tokens(self) -> int:
        """Tokens of an epoch."""
        return len(self.sequences.values)


def shared(name: str) -> Path:
    """A folder of the research data. Raises: BenchError if it is not at hand."""
    folder = Path(os.environ.get("RECEMBED_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        raise BenchError(f"no {name} in $RECEMBED_DATA: see `recembed datasets show`")
    return folder


def corpora(limit: int = BOOK_TOKENS) -> list[Corpus]:
    """Baskets, histories and paragraphs; limit: of each only the sentences that hold this many."""
    baskets = read_log("dataset:complete-journey").interactions
    films = read_log(shared("ml-1m")).interactions
    words, paragraphs = encoded(tokenised(limit))
    return [
        _written("complete-journey", _head(baskets.sentences("group"), limit), baskets.items),
        _written("ml-1m", _head(films.sentences("user"), limit), films.items),
        _written("books", paragraphs, words),
    ]


def tokenised(limit: int | None = None) -> Iterator[list[str]]:
    """The words of each paragraph of the books that has some, until there are `limit` words."""
    path, tokens = shared("books") / "classic_books.txt.xz", 0
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            words = re.findall(r"[a-z]+", line.lower())
            if words:
                yield words
            tokens += len(words)
            if limit is not None and tokens >= limit:
                return


def encoded(paragraphs: Iterable[list[str]]) -> tuple[Vocabulary, Sequences]:
    """The words that come often enough, most frequent first, and the paragraphs as their rows."""
    number: dict[str, int] = {}
    numbers, sizes = array("i"), []
    for paragraph in paragraphs:
        numbers.extend(number.setdefault(word, len(number)) for word in paragraph)
        sizes.append(len(paragraph))
    found = np.array(numbers, np.int32)
    counts = np.bincount(found)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= MIN_COUNT]
    row = np.full(len(number), -1, np.int32)
    row[order] = np.arange(len(order))
    kept = Sequences(row[found], offsets_of(np.array(sizes, np.int64))).keep(row[found] >= 0)
    words = np.array([*number], object)[order].tolist()
    return Vocabulary(words, "word"), kept.take(np.flatnonzero(kept.sizes))


def write_text(sequences: Sequences, names: Vocabulary, path: Path) -> None:
    """One sequence a line, ids between spaces; beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = np.array([str(name) for name in names.ids.to_pylist()], object)[sequences.values]
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8") as file:
        for first, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            file.write(" ".join(words[first:stop]) + "\n")
    beside.replace(path)


def zipf(n_rows: int, tokens: int) -> Path:
    """A folder with values.npy and offsets.npy: tokens ~ 1 / rank, sequences of 25 to 75."""
    folder = SCRATCH / f"zipf-{n_rows}-{tokens}"
    if folder.exists():
        return folder
    random = seeds.rng(0, "zipf", n_rows, tokens)
    beside = folder.with_suffix(".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    sizes = random.integers(25, 76, tokens // 25 + 1)
    offsets = offsets_of(sizes)
    np.save(beside / "offsets.npy", np.append(offsets[offsets < tokens], tokens))
    share = np.cumsum(1 / np.arange(1, n_rows + 1))
    share /= share[-1]
    values = np.lib.format.open_memmap(beside / "values.npy", "w+", np.int32, (tokens,))
    for first in range(0, tokens, CHUNK):
        part = values[first : first + CHUNK]
        part[:] = np.searchsorted(share, random.random(len(part), np.float32), side="right")
    np.minimum(values, n_rows - 1, out=values)  # a share may round to less than 1
    values.flush()
    beside.rename(folder)
    return folder


def mapped(folder: Path) -> Sequences:
    """What `zipf` wrote, left on disk."""
    return Sequences(*(np.load(folder / f"{each}.npy", "r") for each in ("values", "offsets")))


def _head(sequences: Sequences, tokens: int) -> Sequences:
    """The first sequences, as many as hold `tokens`."""
    n = int(np.searchsorted(sequences.offsets, tokens))
    return sequences.take(np.arange(min(n, len(sequences))))


def _written(name: str, sequences: Sequences, names: Vocabulary) -> Corpus:
    text = SCRATCH / f"{name}.txt"
    write_text(sequences, names, text)
    return Corpus(name, sequences, len(names), text)
