"""Options that several commands share, and how their values are read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from recembed.data.vocabulary import Vocabulary

FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)  # what click decorates


class Pair(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """NAME=VALUE."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """Split at the first "="."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


class Rule(click.ParamType):  # type: ignore[type-arg]
    """A rule that holds events out; "none" holds nothing out."""

    name = "rule"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | None:
        """The rule's text, None for "none"."""
        return None if value == "none" else str(value)


def choice(name: str, words: str, default: str | None, help: str) -> Callable[[FC], FC]:
    """An option that takes one of a few words, told apart by |."""
    kind = click.Choice(words.split("|"))
    return click.option(name, type=kind, default=default, show_default=True, help=help)


def reading(command: FC) -> FC:
    """The options that read a log."""
    for option in reversed(READING):
        command = option(command)
    return command


def vocabularies(run: str) -> tuple["Vocabulary", "Vocabulary"]:
    """Users and items of a run: they know whether "42" is a number or a text there."""
    from recembed.run.folder import Run
    from recembed.run.log import load_log

    events = load_log(Run.open(run, verify=False))[0].interactions
    return events.users, events.items


PAIR, RULE = Pair(), Rule()
READING: tuple[Callable[..., Any], ...] = (
    click.option(
        "--items", type=click.Path(), default=None, help="Table of items: text, categories."
    ),
    click.option("--users", type=click.Path(), default=None, help="Table of users."),
    click.option(
        "--columns",
        type=PAIR,
        multiple=True,
        help="ROLE=COLUMN for user, item, time, position, weight, group, part, item_id, title.",
    ),
    click.option("--min-user", default=1, show_default=True, help="Fewest events of a user."),
    click.option("--min-item", default=1, show_default=True, help="Fewest events of an item."),
    choice(
        "--repeats",
        "keep|collapse",
        "keep",
        "Keep a user's repeated events with an item, or only the last.",
    ),
)
file_order = click.option(
    "--file-order", is_flag=True, help="Equal times, or a log without, are in order as they stand."
)
device = choice("--device", "auto|cpu|cuda", "auto", "Where torch models train.")
quiet = click.option("--quiet", is_flag=True, help="No progress.")
threads = click.option("--threads", type=int, default=None, help="Worker threads [all cores].")
seed = click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
split_seed = click.option(
    "--split-seed", default=0, show_default=True, help="Of what is held out by chance."
)
checkpoint = click.option(
    "--checkpoint",
    type=click.Path(),
    default=None,
    help="Keeps the state of training; the same call goes on from there.",
)
run = click.argument("run", type=click.Path())
number = click.option("--k", "-k", default=10, show_default=True, help="Length of each list.")
seen = choice(
    "--seen", "auto|allow|exclude", "auto", "Whether items of a history may be recommended again."
)
part = choice("--on", "valid|test", "test", "The held-out part.")
indices = choice(
    "--index",
    "exact|annoy|hnsw|ivf|both",
    None,
    "Search exactly, through the run's index, or compare both [as the run serves].",
)
newer = click.option(
    "--newer", type=click.Path(), default=None, help="A log of events that RUN lacks."
)
served = choice("--index", "exact|annoy|hnsw|ivf", None, "What to search through [the run's].")
leaks = choice("--leaks", "fail|report", "fail", "Whether to go on where the audit finds a leak.")
lengths = click.option(
    "--k",
    "-k",
    multiple=True,
    type=int,
    default=(10, 20, 50),
    show_default=True,
    help="Length of the lists; may be given again.",
)
