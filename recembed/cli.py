"""The command line: one command a verb, the same names and defaults as the Python functions.

Only click is imported here, so that help comes at once; a verb's modules load when it runs.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import click

import recembed
from recembed.cli_attach import attach
from recembed.cli_datasets import datasets
from recembed.cli_forget import forget
from recembed.cli_measure import backtest, compare, evaluate, tune
from recembed.cli_models import models
from recembed.cli_serve import serve
from recembed.cli_text import text
from recembed.cli_update import update
from recembed.errors import Interrupted, RecembedError
from recembed.options import (
    PAIR,
    RULE,
    checkpoint,
    choice,
    device,
    file_order,
    newer,
    number,
    quiet,
    reading,
    run,
    seed,
    seen,
    served,
    split_seed,
    threads,
    vocabularies,
)


class Commands(click.Group):
    """Ctrl-C that left something is told, exit 130; another one is click's business."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Interrupted as stopped:
            click.echo(f"recembed: {stopped}", err=True)
            ctx.exit(130)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(recembed.__version__)
def cli() -> None:
    """Embeddings for recommendations: train, index, evaluate, recommend."""


@cli.command()
@click.argument("log")
@click.option("--out", required=True, type=click.Path(), help="The run folder to write.")
@click.option("--model", default=None, help="See `recembed models` [item2vec, or the settings'].")
@click.option("--preset", default=None, help="A model and its setting for a kind of log, or auto.")
@click.option("--set", type=PAIR, multiple=True, help="A hyperparameter; see `recembed models`.")
@click.option(
    "--settings", type=click.Path(), default=None, help="The best.json of `recembed tune`."
)
@click.option("--test", type=RULE, default="auto", show_default=True, help="What is held out.")
@click.option("--valid", type=RULE, default=None, help="What is held out for choosing settings.")
@click.option("--tune", is_flag=True, help="Train without the valid part, to evaluate on it.")
@click.option(
    "--early-stop",
    is_flag=True,
    help="Train without the valid part and watch it: the best round is kept.",
)
@click.option("--refit", is_flag=True, help="Train on the whole log, for serving.")
@reading
@seen
@file_order
@split_seed
@seed
@threads
@device
@checkpoint
@quiet
def train(set: Iterable[tuple[str, str]], columns: Iterable[tuple[str, str]], **rest: Any) -> None:
    """Train a model on LOG (a file, a folder of Parquet, or dataset:NAME) into a run folder.

    A rule that holds events out is last:N, time:2017-12-01, time:-14d, time:0.1 (the last tenth),
    a window (time:-28d..-14d), users:0.1, users:0.1/0.2, random:0.1, groups:0.1, groups:2017-12-01,
    groups:-14d, given (by LOG's own parts), auto (what suits LOG), or none.
    """
    recembed.train(set=dict(set), columns=dict(columns), **rest)


@cli.command()
@run
@choice(
    "--kind",
    "auto|exact|annoy|hnsw|ivf",
    "auto",
    "auto is what suits so many items; exact removes the index.",
)
@click.option(
    "--target-recall", default=0.95, show_default=True, help="Recall against exact to reach."
)
@click.option("--k", "-k", default=10, show_default=True, help="Length of the audited lists.")
@click.option(
    "--size", type=int, default=None, help="Annoy's trees, HNSW's links, IVF's lists [some tried]."
)
@seed
@click.option(
    "--threads", default=1, show_default=True, help="Build threads; only 1 is reproducible."
)
@quiet
def index(**options: Any) -> None:
    """Build the index that RUN serves with, audited against exact search."""
    audit = recembed.index(**options)
    click.echo(json.dumps({"kind": "exact"} if audit is None else asdict(audit)))


@cli.command()
@run
@click.option("--user", multiple=True, help="A user id; may be given again.")
@click.option(
    "--history", multiple=True, help="An item id of somebody new; again for the next, newer one."
)
@click.option(
    "--basket", multiple=True, help="An item id that the users hold now; may be given again."
)
@click.option(
    "--text",
    multiple=True,
    callback=lambda _, __, texts: _one(texts),
    help="What the items are to be like, in words; once.",
)
@click.option("--all-users", is_flag=True, help="Everybody's lists, into a Parquet file (--out).")
@click.option("--out", type=click.Path(), default=None, help="The file of --all-users.")
@click.option("--shard", default=None, help="2/8: only every 8th user, from the 2nd on.")
@number
@seen
@click.option("--allow", multiple=True, help="Recommend only this item; may be given again.")
@click.option("--exclude", multiple=True, help="Never recommend this item; may be given again.")
@click.option("--where", type=PAIR, multiple=True, help="COLUMN=VALUE: only items that have it.")
@click.option(
    "--diversity", default=0.0, show_default=True, help="0 is by score, 1 by unlikeness alone."
)
@click.option("--cap", type=PAIR, multiple=True, help="COLUMN=N: at most N items with one value.")
@click.option(
    "--because", default=0, show_default=True, help="Items of the history to name as reasons."
)
@newer
@served
@threads
@quiet
def recommend(
    run: str, where: Iterable[tuple[str, str]], cap: Iterable[tuple[str, str]], **options: Any
) -> None:
    """Recommend items of RUN for users, for a history, or for a text; one JSON line each.

    With --all-users for everybody, into a file; a call that was cut off goes on where it was when
    it is made again.
    """
    named = ("user", "history", "basket", "allow", "exclude")
    if any(options[name] for name in named):
        users, items = vocabularies(run)
        for name in named:
            ids = users if name == "user" else items
            options[name] = [ids.parse(text) for text in options[name]]
    options["allow"] = options["allow"] or None
    answers = recembed.recommend(run, where=_gathered(where), cap=_counts(cap), **options)
    if not options["all_users"]:
        _lines(options["user"] or [None], answers, "user")


def _one(texts: tuple[str, ...]) -> str | None:
    if len(texts) > 1:
        raise click.BadParameter(f"one text is taken, not {len(texts)}: they exclude each other")
    return texts[0] if texts else None


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All the values of a name."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _counts(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    for name, value in pairs:
        if not value.isdecimal():
            raise click.BadParameter(f"{name}={value}: a number of items is needed")
    return {name: int(value) for name, value in pairs}


@cli.command()
@run
@click.argument("item", nargs=-1, required=True)
@number
def similar(run: str, item: Iterable[str], k: int) -> None:
    """Items similar to each ITEM of RUN; one JSON line each."""
    _, items = vocabularies(run)
    ids = [items.parse(text) for text in item]
    _lines(ids, recembed.similar(run, ids, k=k), "item")


def _lines(asked: Iterable[Any], answers: Iterable[Any], name: str) -> None:
    for one, answer in zip(asked, answers, strict=True):
        head: Mapping[str, Any] = {} if one is None else {name: one}
        click.echo(json.dumps({**head, **answer.to_dict()}, ensure_ascii=False))


@cli.command()
@run
@click.option("--out", required=True, type=click.Path(), help="The file to write.")
@choice(
    "--what",
    "items|neighbours|users",
    "items",
    "Vectors to retrieve, of item-to-item similarity, or of the users.",
)
@choice(
    "--form",
    "parquet|word2vec|word2vec-binary|index",
    "parquet",
    "word2vec is what gensim reads; index is the own file of Annoy or FAISS.",
)
def export(**options: Any) -> None:
    """Write the vectors of RUN, or its index, for other tools."""
    click.echo(f"{recembed.export(**options)} vectors -> {options['out']}")


for command in (tune, evaluate, compare, backtest, update, attach, forget, models, text, serve):
    cli.add_command(command)
cli.add_command(datasets)


@cli.command()
def doctor() -> None:
    """What is installed, what is missing, and the command for it; exit 1 if something is broken."""
    checks = recembed.doctor()
    for check in checks:
        remedy = f"  ->  {check.remedy}" if check.remedy else ""
        click.echo(f"{'ok ' if check.ok else 'BAD'} {check.name:22} {check.found}{remedy}")
    if not all(check.ok for check in checks):
        sys.exit(1)


@cli.command()
@click.option("--out", type=click.Path(), default=".demo", show_default=True, help="Its folder.")
@seed
@threads
@quiet
def demo(**options: Any) -> None:
    """The main job on a year of real purchases: train, index, evaluate, recommend."""
    click.echo(recembed.demo(**options))


def main() -> None:
    """Run the command line: errors of the user are one line and exit 1, wrong usage exits 2."""
    try:
        cli(prog_name="recembed")
    except RecembedError as error:
        click.echo(f"recembed: {error}", err=True)
        sys.exit(1)
    except MemoryError as error:
        click.echo(f"recembed: out of memory: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        click.echo(f"recembed: {error.strerror or error}{where}", err=True)
        sys.exit(1)
