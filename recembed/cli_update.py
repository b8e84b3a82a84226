"""The command that changes the items of a run."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

import recembed
from recembed.options import PAIR, run, vocabularies


@click.command()
@run
@click.option("--items", type=click.Path(), default=None, help="A table of items to add.")
@click.option(
    "--remove", multiple=True, help="An item id that is not to be listed; may be given again."
)
@click.option(
    "--columns", type=PAIR, multiple=True, help="ROLE=COLUMN for item_id, title [as in training]."
)
def update(
    run: str, remove: Iterable[str], columns: Iterable[tuple[str, str]], **options: Any
) -> None:
    """Add items to RUN and take items out of its lists, without training again.

    New items are placed by what the model learned of their columns (a two-tower model with
    features.categories, text or numbers, or item2vec with features), or by their text where an
    encoder is attached to RUN. Items that RUN has stay as they are, and are listed again if they
    had been removed.
    """
    _, items = vocabularies(run)
    gone = [items.parse(text) for text in remove]
    done = recembed.update(run, remove=gone, columns=dict(columns), **options)
    click.echo(json.dumps(asdict(done)))
