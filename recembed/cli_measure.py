"""The commands that measure: tune, evaluate, compare, backtest."""

import json
from collections.abc import Iterable
from typing import Any

import click

import recembed
from recembed.options import (
    PAIR,
    RULE,
    device,
    file_order,
    indices,
    leaks,
    lengths,
    part,
    quiet,
    reading,
    seed,
    seen,
    split_seed,
    threads,
)


@click.command()
@click.argument("log")
@click.option("--out", required=True, type=click.Path(), help="The folder of the search.")
@click.option("--model", default=None, help="See `recembed models` [item2vec].")
@click.option("--preset", default=None, help="Begin at its setting; or auto.")
@click.option("--trials", default=30, show_default=True, help="Settings to try, earlier ones too.")
@click.option("--timeout", type=float, default=None, help="Begin no trial after so many seconds.")
@click.option("--metric", default="ndcg@10", show_default=True, help="What to maximize.")
@click.option(
    "--sample",
    default=0.1,
    show_default=True,
    help="Share of the users in trials, but 1,000 at least.",
)
@click.option(
    "--finalists",
    default=3,
    show_default=True,
    help="How many of the best of a sample are trained on all users.",
)
@click.option("--set", type=PAIR, multiple=True, help="A hyperparameter that is fixed.")
@click.option("--space", type=PAIR, multiple=True, help="Where to search one: see above.")
@click.option("--only", multiple=True, help="Search these alone: dim,dropout; may be given again.")
@click.option("--test", type=RULE, default="auto", show_default=True, help="What is left alone.")
@click.option("--valid", type=RULE, default="auto", show_default=True, help="What decides.")
@reading
@seen
@file_order
@split_seed
@seed
@threads
@device
@quiet
def tune(
    set: Iterable[tuple[str, str]],
    space: Iterable[tuple[str, str]],
    columns: Iterable[tuple[str, str]],
    only: Iterable[str],
    **rest: Any,
) -> None:
    """Search for the best setting of a model on the valid part of LOG; needs recembed[tune].

    The best one is written to OUT/best.json, which `train --settings` reads; the same call goes on
    after it was stopped. A space is a list of values (dim=64,128) or a range (dropout=0..0.5,
    learning_rate=0.01..0.1:log). A part is chosen by --set (tower=mean), then its own are searched.
    """
    names = [name.strip() for each in only for name in each.split(",")]
    found = recembed.tune(
        set=dict(set), space=dict(space), columns=dict(columns), only=names, **rest
    )
    told = {"model": found.model, "set": found.set, found.metric: found.value}
    click.echo(json.dumps(told, ensure_ascii=False))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@lengths
@click.option("--metric", default=None, help="The one that decides, ndcg@10 say [recall].")
@part
@indices
@click.option(
    "--slice", multiple=True, help="Also by this column: category, user:age; may be given again."
)
@click.option("--category", default=None, help="The item column of diversity and the map.")
@leaks
@click.option("--examples", default=5, show_default=True, help="Cases shown with all lists.")
@click.option("--show-users", is_flag=True, help="Show the ids of users in examples.")
@click.option("--html/--no-html", default=True, show_default=True, help="Write report.html, too.")
@click.option("--out", type=click.Path(), default=None, help="Folder for the report [the run].")
@seed
@threads
@quiet
def evaluate(**options: Any) -> None:
    """Measure RUNS on the held-out cases they share, over all items."""
    report = recembed.evaluate(**options)
    click.echo(f"{report.verdict}\n\n{report.table()}")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--metric",
    multiple=True,
    default=("recall@10", "ndcg@10"),
    show_default=True,
    help="What is compared; may be given again.",
)
@part
@indices
@leaks
@seed
@threads
@quiet
def compare(**options: Any) -> None:
    """Say which differences between RUNS are real, how big, and how sure."""
    for comparison in recembed.compare(**options):
        click.echo(comparison)


@click.command()
@click.argument("log")
@click.option("--out", required=True, type=click.Path(), help="The folder of all points.")
@click.option("--model", multiple=True, help="May be given again [item2vec, if no settings].")
@click.option("--set", type=PAIR, multiple=True, help="A hyperparameter, where --model is one.")
@click.option(
    "--settings",
    type=click.Path(),
    multiple=True,
    help="A best.json of `recembed tune`: one more model.",
)
@click.option("--points", default=4, show_default=True, help="How many windows.")
@click.option("--window", default="7d", show_default=True, help="How long each is: 12h, 7d, 2w.")
@click.option("--metric", default="recall@10", show_default=True, help="The one that decides.")
@lengths
@leaks
@reading
@seen
@seed
@threads
@device
@quiet
def backtest(
    set: Iterable[tuple[str, str]], columns: Iterable[tuple[str, str]], **rest: Any
) -> None:
    """Cut the end of LOG into windows; for each, train on all before it and ask what came in it."""
    found = recembed.backtest(set=dict(set), columns=dict(columns), **rest)
    click.echo(found.to_markdown())
