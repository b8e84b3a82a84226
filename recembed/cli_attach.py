"""The command that gives a run an encoder of texts."""

import json
from dataclasses import asdict
from typing import Any

import click

import recembed
from recembed.options import quiet, run, threads


@click.command()
@run
@click.option(
    "--encoder", required=True, type=click.Path(), help="The run of `recembed text train`."
)
@click.option(
    "--text", default=None, help="COLUMN,COLUMN of the item table [the title and the category]."
)
@threads
@quiet
def attach(**options: Any) -> None:
    """Give RUN an encoder of texts, for items that nobody has touched and for search by words.

    Its items are encoded. A model with vectors then has some for items without events, too: a ridge
    regression tells them from their texts. `recembed recommend --text` finds items by words.

    One JSON line says what came of it. items: that a text finds; placed: of these, placed by their
    text alone; empty: without a text; unknown: with words that the encoder knows nothing of; cut:
    texts that were too long; columns: what texts were made of; ridges: how strongly each table of
    vectors is regularized; explained: the share, 0 to 1, of what distinguishes items in it that
    their texts tell; dropped: the index and the reports, which told of other lists; note: what else
    to know.
    """
    click.echo(json.dumps(asdict(recembed.attach(**options)), ensure_ascii=False))
