"""The commands for words: `recembed text`."""

import json
from collections.abc import Iterable
from typing import Any

import click

import recembed
from recembed.options import PAIR, checkpoint, choice, number, quiet, seed, threads

vectors = click.argument("vectors", type=click.Path())


@click.group()
def text() -> None:
    """Vectors of words: train, evaluate, nearest, export.

    VECTORS is a run of words or a file in word2vec's text or binary form.
    """


@text.command("train-words")
@click.argument("corpus", nargs=-1, required=True, type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="The run folder to write.")
@click.option("--set", type=PAIR, multiple=True, help="See `recembed models word-vectors`.")
@seed
@threads
@checkpoint
@quiet
def train_words(set: Iterable[tuple[str, str]], **options: Any) -> None:
    """Learn word vectors from CORPUS: text files with a sentence or paragraph a line.

    Files may be compressed (gz, xz, bz2, zst).
    """
    recembed.train_words(set=dict(set), **options)


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
@choice("--form", "word2vec|word2vec-binary|parquet", "word2vec", "word2vec is what gensim reads.")
def export(**options: Any) -> None:
    """Write the words of VECTORS for other tools."""
    click.echo(f"{recembed.export_words(**options)} vectors -> {options['out']}")
