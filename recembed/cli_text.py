"""The commands for texts and words: `recembed text`."""

import json
from collections.abc import Iterable
from typing import Any

import click

import recembed
from recembed.options import PAIR, checkpoint, choice, device, number, quiet, run, seed, threads

vectors = click.argument("vectors", type=click.Path())
columns = click.option(
    "--columns",
    type=PAIR,
    multiple=True,
    help="ROLE=COLUMN for text, id, label, first, second, negative, score.",
)
invalid = choice(
    "--invalid", "refuse|replace", "refuse", "What is not UTF-8: refuse it, or write U+FFFD."
)


@click.group()
def text() -> None:
    """Encoders of texts (train, encode, evaluate), and vectors of words.

    TEXTS are files with a text a line, plain or compressed, or tables (Parquet, CSV, TSV, JSON
    Lines) with a column of texts. VECTORS is a run of words or a file in word2vec's text or binary
    form.
    """


@text.command("train")
@click.argument("texts", nargs=-1, type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="The run folder to write.")
@click.option("--model", default=None, help="tf-idf, bag, network or sbert [bag, or the start's].")
@click.option("--pairs", type=click.Path(), default=None, help="A table of pairs to tune with.")
@click.option(
    "--valid", type=click.Path(), default=None, help="A table of pairs that choose the best round."
)
@click.option("--start", type=click.Path(), default=None, help="The run of an encoder to tune on.")
@columns
@invalid
@click.option("--set", type=PAIR, multiple=True, help="See `recembed models NAME`.")
@seed
@threads
@device
@checkpoint
@quiet
def train(set: Iterable[tuple[str, str]], columns: Iterable[tuple[str, str]], **rest: Any) -> None:
    """Learn to place texts, from TEXTS and from pairs; without TEXTS, from those of the pairs.

    Pairs are tables with sentence1, sentence2 and score, or anchor, positive and
    negative, or query and document, or whatever --columns says.
    """
    recembed.train_text(set=dict(set), columns=dict(columns), **rest)


@text.command("encode")
@run
@click.argument("texts", nargs=-1, required=True, type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="The Parquet file to write.")
@columns
@invalid
@threads
@device
@quiet
def encode(columns: Iterable[tuple[str, str]], **rest: Any) -> None:
    """Write the vector of every text of TEXTS, by its row or by --columns id=COLUMN."""
    recembed.encode_texts(columns=dict(columns), **rest)


@text.command("evaluate")
@run
@click.argument("files", nargs=-1, required=True, type=click.Path())
@columns
@click.option("--out", type=click.Path(), default=None, help="JSON file for the report.")
@seed
@threads
@device
def evaluate(columns: Iterable[tuple[str, str]], **rest: Any) -> None:
    """Measure the encoder of RUN on FILES of scored pairs, of pairs, and of labelled texts."""
    click.echo(recembed.evaluate_text(columns=dict(columns), **rest).table())


@text.command("train-words")
@click.argument("corpus", nargs=-1, required=True, type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="The run folder to write.")
@columns
@click.option("--set", type=PAIR, multiple=True, help="See `recembed models word-vectors`.")
@seed
@threads
@checkpoint
@quiet
def train_words(
    set: Iterable[tuple[str, str]], columns: Iterable[tuple[str, str]], **options: Any
) -> None:
    """Learn word vectors from CORPUS: text files with a sentence or paragraph a line, or tables.

    Files may be compressed (gz, xz, bz2, zst).
    """
    recembed.train_words(set=dict(set), columns=dict(columns), **options)


@text.command("evaluate-words")
@vectors
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--most-frequent", type=int, default=None, help="Ask analogies of so many words only [all]."
)
@click.option("--out", type=click.Path(), default=None, help="JSON file for the report.")
def evaluate_words(**options: Any) -> None:
    """Measure VECTORS on FILES of word pairs (Spearman) and analogies (accuracy)."""
    click.echo(recembed.evaluate_words(**options).table())


@text.command("nearest")
@vectors
@click.argument("word", nargs=-1, required=True)
@number
def nearest(**options: Any) -> None:
    """The words of VECTORS nearest to each WORD; one JSON line each."""
    for answer in recembed.nearest_words(**options):
        click.echo(json.dumps(answer.to_dict(), ensure_ascii=False))


@text.command("export")
@vectors
@click.option("--out", required=True, type=click.Path(), help="The file to write.")
@choice(
    "--form",
    "auto|word2vec|word2vec-binary|parquet",
    "auto",
    "auto: parquet where OUT ends so, else word2vec, which gensim reads.",
)
def export(**options: Any) -> None:
    """Write the words of VECTORS for other tools."""
    click.echo(f"{recembed.export_words(**options)} vectors -> {options['out']}")
