"""Words: train their vectors, prove what they are worth, look around, take them out."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from recembed.data.vocabulary import Vocabulary
from recembed.data.word2vec_format import read_word2vec, write_word2vec
from recembed.errors import DataError, RunError, many
from recembed.pipeline.export import check_target, vector_table
from recembed.pipeline.fit import kept
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import THIS_MACHINE, Machine
from recembed.report.lines import aligned
from recembed.run.folder import Run, writing
from recembed.run.log import check_replaced, kind_of
from recembed.run.whole import whole
from recembed.settings import as_dict, change
from recembed.text.tables import TextColumns
from recembed.text.texts import Texts
from recembed.text.word_lists import Pairs, read_test
from recembed.text.word_model import Neighbour, WordModel
from recembed.text.word_tests import Analogies, Similarity, analogies, similarity
from recembed.text.word_vectors import WordVectors
from recembed.training.checkpoint import check_place

KIND = "words"  # the fact that tells a run of words from one of items


def train_words(
    corpus: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    set: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    checkpoint: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Learn the vectors of the words in CORPUS and write the run folder OUT.

    corpus: text files, plain or gz, xz, bz2, zst, with a sentence or paragraph a line, or tables
    with a column of them; columns: text -> that column, guessed where it is not named. set:
    hyperparameters of WordVectors by dotted name. checkpoint: a file that keeps the state of
    training; the same call goes on from there after it was stopped.

    Raises: DataError for what is wrong with the corpus or the options; RunError for the folder.
    """
    check_seed(seed)
    check_replaced(out, KIND)
    machine = machine_of(threads, checkpoint=checkpoint)
    progress = Progress("quiet" if quiet else "auto")
    estimator = change(WordVectors(), set or {})
    if machine.checkpoint is not None:
        check_place(machine.checkpoint)
    texts = Texts.of(corpus, column=TextColumns.of(columns).text)
    for line in texts.guessed():
        progress.say(line)
    with writing(out, new=True) as writer:
        begin = time.perf_counter()
        with kept(machine):
            model = estimator.fit(
                texts,
                seed=seed,
                machine=machine,
                progress=progress,
                scratch=writer.scratch,
            )
        seconds = time.perf_counter() - begin
        assert model.counts is not None  # what was trained was counted
        words = model.words.vocabulary
        writer.table("words", pa.table({"word": words.ids, "count": model.counts}))
        writer.arrays("model", model.arrays())
        writer.facts(
            {
                "kind": KIND,
                "model": estimator.name,
                "setting": as_dict(estimator),
                "seed": seed,
                "train_seconds": round(seconds, 3),
                "threads": machine.threads,
                "corpus": {
                    "files": [file.name for file in texts.files],
                    "tokens": int(model.counts.sum()),
                    "words": len(words),
                },
            }
        )
    if machine.checkpoint is not None:
        machine.checkpoint.unlink(missing_ok=True)  # the run has it all now
    without = len(words) - int(model.words.known.sum())
    alone = f", {without:,} of them never beside another word," if without else ""
    progress.say(f"{many(len(words), 'word')}{alone} trained in {seconds:.1f} s -> {out}")
    return Run.open(out)


@dataclass(frozen=True)
class WordReport:
    """What vectors are worth on each test. most_frequent: words that analogies were asked of."""

    similarity: tuple[Similarity, ...]
    analogies: tuple[Analogies, ...]
    most_frequent: int | None = None

    def table(self) -> str:
        """As text."""
        lines: list[tuple[str, ...]] = []
        if self.similarity:
            lines.append(("similarity", "pairs", "unknown", "spearman", "unknown as 0"))
        for one in self.similarity:
            scores = (_share(one.spearman), _share(one.spearman_all))
            lines.append((one.test, f"{one.pairs:,}", f"{one.unknown:,}", *scores))
        if self.analogies:
            lines += [("",) * 5] if lines else []
            lines.append(("analogies", "questions", "unknown", "accuracy", ""))
        for test in self.analogies:
            for each in (test, *test.categories):
                name = each.test if each is test else f"  {each.test}"
                counts = (f"{each.questions:,}", f"{each.unknown:,}", _share(each.accuracy), "")
                lines.append((name, *counts))
        return aligned(lines)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "analogies": [_told(one) for one in self.analogies]}


def _told(one: Analogies) -> dict[str, Any]:
    parts = [_told(each) for each in one.categories]
    return {**asdict(one), "accuracy": one.accuracy, "categories": parts}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def evaluate_words(
    vectors: str | Path,
    files: str | Path | Sequence[str | Path],
    *,
    most_frequent: int | None = None,
    out: str | Path | None = None,
) -> WordReport:
    """Measure VECTORS, a run of words or a word2vec file, on word pairs and analogies.

    files: tests in any form that text.word_lists reads. most_frequent: analogies are asked and
    answered with so many words only; None: with all. out: a JSON file for the report.

    Raises: DataError for a file that is no such test.
    """
    if most_frequent is not None and most_frequent < 1:
        raise DataError(f"most_frequent must be at least 1, not {most_frequent}")
    paths = [files] if isinstance(files, (str, Path)) else list(files)
    if out is not None:
        check_target(Path(out), [vectors, *paths])
    if not paths:
        raise DataError("a test is a file of word pairs or analogies: none is named")
    tests = [read_test(Path(path)) for path in paths]
    model = word_model(vectors)
    report = WordReport(
        tuple(similarity(model, test) for test in tests if isinstance(test, Pairs)),
        tuple(
            analogies(model, test, most_frequent) for test in tests if not isinstance(test, Pairs)
        ),
        most_frequent,
    )
    if out is not None:
        with whole(Path(out)) as beside:
            beside.write_text(
                json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8"
            )
    return report


@dataclass(frozen=True)
class NearestWords:
    """The words nearest to one, best first."""

    word: str
    nearest: tuple[Neighbour, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def nearest_words(
    vectors: str | Path, word: str | Iterable[str], *, k: int = 10
) -> list[NearestWords]:
    """The k words of VECTORS, a run of words or a word2vec file, nearest to each word by cosine.

    A word outside the vocabulary is put together from its n-grams, where the run learned them.

    Raises: DataError if a word is unknown, with close spellings.
    """
    words = [word] if isinstance(word, str) else list(word)
    lists = word_model(vectors).nearest(words, k)
    return [NearestWords(*each) for each in zip(words, map(tuple, lists), strict=True)]


def export_words(
    vectors: str | Path,
    out: str | Path,
    *,
    form: Literal["auto", "word2vec", "word2vec-binary", "parquet"] = "auto",
) -> int:
    """Write the words of VECTORS, a run of words or a word2vec file, and say how many they are.

    word2vec: the text or binary form that gensim reads. parquet: columns id and vector. auto:
    parquet where OUT ends so, else word2vec.
    """
    if form not in ("auto", "word2vec", "word2vec-binary", "parquet"):
        raise DataError(f"form is auto, word2vec, word2vec-binary or parquet, not {form!r}")
    target = Path(out)
    if form == "auto":
        form = "parquet" if target.suffix.lower() == ".parquet" else "word2vec"
    check_target(target, [vectors])
    words = word_model(vectors).words
    rows = words.known.nonzero()[0]
    vocabulary, known = words.vocabulary.select(rows), words.vectors[rows]
    with whole(target) as beside:
        if form == "parquet":
            pq.write_table(vector_table(vocabulary, known), beside)
        else:
            write_word2vec(beside, vocabulary, known, binary=form == "word2vec-binary")
    return len(vocabulary)


def word_model(vectors: str | Path, machine: Machine = THIS_MACHINE) -> WordModel:
    """What a run of words or a word2vec file holds.

    Raises: RunError for a run of something else; DataError for a file that is not whole.
    """
    path = Path(vectors)
    if not path.is_dir():
        return WordModel(read_word2vec(path), machine=machine)
    run = Run.open(path, verify=False)
    if run.facts.get("kind") != KIND:
        kind = kind_of(run)
        see = "similar" if kind == "items" else "text evaluate"
        raise RunError(f"{path} is a run of {kind}, not of words: see `recembed {see}`")
    table, arrays = run.table("words"), run.arrays("model")
    try:
        estimator = change(WordVectors(), run.facts["setting"])
        return estimator.restore(Vocabulary(table.column("word"), "word"), arrays, machine)
    except (KeyError, TypeError, DataError) as error:
        raise RunError(f"the model in {path} is not whole ({error}): train again") from error
