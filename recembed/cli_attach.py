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
    """
    click.echo(json.dumps(asdict(recembed.attach(**options)), ensure_ascii=False))
