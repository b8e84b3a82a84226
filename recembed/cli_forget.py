"""The command that deletes users."""

import json
from collections.abc import Iterable
from dataclasses import asdict

import click

import recembed
from recembed.options import run, vocabularies


@click.command()
@run
@click.option("--user", multiple=True, required=True, help="A user id; may be given again.")
def forget(run: str, user: Iterable[str]) -> None:
    """Delete users from RUN: their events, what is told of them, and a vector of their own.

    Reports and other files that may name them are dropped and listed; evaluate makes reports again.
    What the item vectors and counts of the model learned from them stays: train again to remove
    that too. Logs, exports and lists outside of RUN are not touched.
    """
    users, _ = vocabularies(run)
    done = recembed.forget(run, user=[users.parse(text) for text in user])
    click.echo(json.dumps(asdict(done), ensure_ascii=False))
