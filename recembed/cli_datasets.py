"""The commands of public data sets."""

import json
from dataclasses import asdict
from typing import Any

import click

import recembed
from recembed.options import quiet


@click.group()
def datasets() -> None:
    """Public data sets: list, show, fetch."""


@datasets.command("list")
def datasets_list() -> None:
    """One line a data set."""
    for card in recembed.datasets.list():
        click.echo(f"{card.name:18} {card.title} ({card.licence})")


@datasets.command("show")
@click.argument("name")
def datasets_show(name: str) -> None:
    """What is known of one, as JSON."""
    card = asdict(recembed.datasets.show(name))
    click.echo(json.dumps(card, indent=2, ensure_ascii=False, default=str))


@datasets.command("fetch")
@click.argument("name")
@click.option("--from", "source", type=click.Path(), default=None, help="Folder with its files.")
@click.option("--out", type=click.Path(), default=None, help="Where data sets are kept [cache].")
@quiet
def datasets_fetch(**options: Any) -> None:
    """Get a data set; prints the folder, which `train` reads (also as dataset:NAME)."""
    click.echo(recembed.datasets.fetch(**options))
