"""Texts: train an encoder of them, encode them, prove what the encoder is worth."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from recembed.errors import DataError, many
from recembed.pipeline.export import check_target
from recembed.pipeline.fit import fitted, kept
from recembed.pipeline.text_options import (
    READY,
    Valid,
    check_use,
    estimator_of,
    learnable,
    named_any,
)
from recembed.pipeline.text_report import TextReport
from recembed.pipeline.train import check_seed, machine_of
from recembed.progress import Progress
from recembed.protocols import Machine
from recembed.report.plain import to_plain
from recembed.run.folder import Run, writing
from recembed.run.log import check_replaced
from recembed.run.whole import whole
from recembed.settings import as_dict
from recembed.text.blocks import Invalid
from recembed.text.encoder import Encoder
from recembed.text.evaluation import Likeness, Retrieval, Tally, likeness, retrieval
from recembed.text.evaluation_labels import Grouping, grouping
from recembed.text.pair_files import Labelled, read_test
from recembed.text.pairs import TextPairs
from recembed.text.stored import ARRAYS, KIND, encoder_of
from recembed.text.tables import TextColumns
from recembed.text.texts import Files, Texts
from recembed.text.vector_files import read_ids, write_vectors
from recembed.training.rounds import Watched


def train_text(
    texts: Files = (),
    *,
    out: str | Path,
    model: str | None = None,
    pairs: str | Path | None = None,
    valid: str | Path | None = None,
    start: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    invalid: Literal["refuse", "replace"] = "refuse",
    set: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    checkpoint: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Learn to place texts, and write the run folder OUT.

    texts: files with a text a line, or tables with a column of them; none: those of the pairs.
    model: tf-idf, bag, network or sbert; bag unless named. pairs: a table of texts that belong
    together, to tune with. valid: pairs that judge, by Spearman's correlation where they have
    scores, else by mrr@10; the best round is kept. start: the run of an encoder to go on from, with
    its model and setting where `set` does not say otherwise. columns: role -> column, see
    TextColumns. invalid: what bytes do that are no UTF-8. set: hyperparameters by dotted name.
    checkpoint: a file that keeps the state of learning from texts; the same call goes on from it.

    Raises: DataError for what is wrong with the texts or the options; RunError for the folder;
    Interrupted or Diverged where training ended before its time, and the run has what it learned.
    """
    check_seed(seed)
    check_replaced(out, KIND)
    machine = machine_of(threads, device, checkpoint)
    progress = Progress("quiet" if quiet else "auto")
    before = None if start is None else Run.open(start)
    estimator = estimator_of(model, before, set or {})
    check_use(estimator, texts, before, machine.checkpoint, pairs, valid)
    named = TextColumns.of(columns)
    tuned, left_out = (None, 0) if pairs is None else learnable(Path(pairs), named)
    estimator.ready(tuned)
    judge = None if valid is None else Valid.read(valid, named, machine)
    corpus = _corpus(texts, named, invalid, tuned if before is None else None)
    for line in corpus.guessed():
        progress.say(line)
    read = corpus.counts(progress)  # before the work, not in its midst
    if not read.texts and before is None and estimator.name != READY:
        raise DataError(f"no text for {estimator.name} to learn from: name files, or pairs")
    with writing(out, new=True) as writer:
        begin = time.perf_counter()
        with kept(machine):
            encoder, stopped = fitted(
                lambda: estimator.fit(
                    corpus,
                    pairs=tuned,
                    judge=judge,
                    start=None if before is None else encoder_of(before, machine),
                    seed=seed,
                    machine=machine,
                    progress=progress,
                )
            )
        seconds = time.perf_counter() - begin
        value = None if judge is None else judge(encoder)
        writer.arrays(ARRAYS, encoder.arrays())
        writer.facts(
            {
                "kind": KIND,
                "model": estimator.name,
                "setting": as_dict(estimator),
                "seed": seed,
                "dim": encoder.dim,
                "train_seconds": round(seconds, 3),
                "threads": machine.threads,
                "texts": {"files": [path.name for path in corpus.files], **asdict(read)},
                "start": None if before is None else before.identity,
                **_tuning(pairs, tuned, left_out),
                **_course(encoder),
            }
        )
        if judge is not None:
            told = {"file": judge.path.name, "pairs": len(judge.pairs), "value": value}
            writer.facts({"valid": {**told, "metric": judge.metric}})
    if stopped is not None:
        raise type(stopped)(f"{stopped}; {out} has what was learned by then", encoder) from stopped
    if machine.checkpoint is not None:
        machine.checkpoint.unlink(missing_ok=True)  # the run has it all now
    worth = "" if judge is None else f", {judge.metric} {value:.4f} on {judge.path.name}"
    worth += _epoch(encoder)
    progress.say(f"{estimator.name} trained in {seconds:.1f} s{worth} -> {out}")
    return Run.open(out)


def _corpus(texts: Files, columns: TextColumns, invalid: Invalid, pairs: TextPairs | None) -> Texts:
    """What is named, or else what pairs are made of."""
    if not named_any(texts):
        return Texts(held=[] if pairs is None else pairs.texts())
    return Texts.of(texts, column=columns.text, invalid=invalid)


def _tuning(path: str | Path | None, pairs: TextPairs | None, left_out: int) -> dict[str, Any]:
    if path is None or pairs is None:
        return {}
    counts = {"pairs": len(pairs), "left_out": left_out, "scored": pairs.scores is not None}
    return {"pairs": {"file": Path(path).name, **counts}}


def _course(encoder: Encoder) -> dict[str, Any]:
    """How training went, where it went in rounds."""
    training = encoder.training if isinstance(encoder, Watched) else None
    return {} if training is None else {"training": to_plain(training)}


def _epoch(encoder: Encoder) -> str:
    """Which one was kept, where there was a choice."""
    training = encoder.training if isinstance(encoder, Watched) else None
    if training is None or not training.looks:
        return ""
    return f", epoch {training.epochs} of {training.of} kept"


def encode_texts(
    run: str | Path,
    texts: Files,
    *,
    out: str | Path,
    columns: Mapping[str, str] | None = None,
    invalid: Literal["refuse", "replace"] = "refuse",
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    quiet: bool = False,
) -> Tally:
    """Write the vector of every text into OUT, a Parquet file; empty ones have zeros.

    texts: files as for `train_text`. OUT has the columns row, from 0, and vector, a fixed-size list
    of float32; where columns names an id, that one instead of the row. Texts and vectors pass
    through memory in blocks.

    Raises: DataError for what is wrong with the texts; RunError for a run without an encoder.
    """
    target = Path(out)
    machine = machine_of(threads, device)
    progress = Progress("quiet" if quiet else "auto")
    named = TextColumns.of(columns)
    read = Texts.of(texts, column=named.text, invalid=invalid)
    check_target(target, read.files)
    ids = None if named.id is None else read_ids(read.files, named.id)
    encoder = encoder_of(run, machine)
    for line in read.guessed():
        progress.say(line)
    with (
        progress.task("encoding", read.size, read.unit) as task,
        whole(target) as beside,
    ):
        tally = write_vectors(beside, encoder, read, ids, task)
    odd = tally.told()
    progress.say(f"{many(tally.texts, 'text')} encoded{f' ({odd})' if odd else ''} -> {out}")
    return tally


def evaluate_text(
    run: str | Path,
    files: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> TextReport:
    """Measure the encoder of RUN on tables of text pairs and of labelled texts.

    files: what one holds is told from its columns. Pairs with scores: correlations of cosines.
    Pairs without: whether first texts find their second ones. Texts and labels: how well vectors
    tell the labels apart. columns: role -> column, see TextColumns. out: a JSON file for the
    report. seed: of resamples, k-means and folds.

    Raises: DataError for a file that is no such table; RunError for a run without an encoder.
    """
    check_seed(seed)
    paths = [Path(files)] if isinstance(files, (str, Path)) else [Path(file) for file in files]
    if out is not None:
        check_target(Path(out), paths)
    if not paths:
        raise DataError("a test is a file of text pairs or labelled texts: none is named")
    machine, named = machine_of(threads, device), TextColumns.of(columns)
    tests = [(path.name, read_test(path, named)) for path in paths]
    opened = Run.open(run)
    encoder = encoder_of(opened, machine)
    found = [measured(encoder, test, name, seed=seed, machine=machine) for name, test in tests]
    report = TextReport(
        str(run),
        opened.facts["model"],
        tuple(one for one in found if isinstance(one, Likeness)),
        tuple(one for one in found if isinstance(one, Retrieval)),
        tuple(one for one in found if isinstance(one, Grouping)),
    )
    if out is not None:
        with whole(Path(out)) as beside:
            text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
            beside.write_text(text + "\n", "utf-8")
    return report


def measured(
    encoder: Encoder, test: TextPairs | Labelled, name: str, *, seed: int, machine: Machine
) -> Likeness | Retrieval | Grouping:
    """What suits the test."""
    if isinstance(test, Labelled):
        return grouping(encoder, test, name, seed=seed, machine=machine)
    if test.scores is not None:
        return likeness(encoder, test, name, seed=seed)
    return retrieval(encoder, test, name, seed=seed, machine=machine)
