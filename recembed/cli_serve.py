"""The command that serves."""

from typing import Any

import click

import recembed
from recembed.options import newer, run, served


@click.command()
@run
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--api-key-file",
    type=click.Path(),
    default=None,
    help="Its first line is the key that requests carry [RECEMBED_API_KEY, or none].",
)
@served
@click.option("--min-recall", type=float, default=None, help="Refuse an index that finds less.")
@newer
@click.option("--max-k", default=100, show_default=True, help="The longest list.")
@click.option(
    "--max-history", default=1000, show_default=True, help="Most ids in a list of a request."
)
@click.option("--max-body", default=1 << 20, show_default=True, help="Bytes of a request.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds that a request may take.")
@click.option(
    "--watch", default=2.0, show_default=True, help="Seconds between looks for a new run."
)
def serve(**options: Any) -> None:
    """Answer over HTTP from RUN, a folder or a link to one; SIGHUP reloads it.

    Requests carry the key as `Authorization: Bearer KEY`. The API's document is at /docs.
    """
    recembed.serve(**options)
