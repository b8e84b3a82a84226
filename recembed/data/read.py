"""Reading logs: `read_log("ratings.csv")`.

What is read, told from the file itself:

- CSV and TSV with a header, plain or compressed (.gz, .bz2, .zst)
- Parquet: a file, or a folder of parts
- a folder of train.*, valid.* and test.*: one log that knows the part of each event
- MovieLens without a header: `u.data` (tabs), `ratings.dat`, `movies.dat`, `users.dat` (`::`)
- RecBole: `.inter`, `.item`, `.user` with typed headers (`user_id:token`)
- pyarrow tables, pandas frames
- a data set by name, "dataset:ml-1m", or the folder that `cards.fetch` made, with its item table

Ids stay what was written: text in a text file becomes int only if every id is written as an int
would be ("007" stays text). Times become Unix seconds: see recembed.data.times.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from recembed.data import cards
from recembed.data.columns import Columns
from recembed.data.descriptions import describe
from recembed.data.events import Events
from recembed.data.files import Source
from recembed.data.filters import collapse, core
from recembed.data.log import Log
from recembed.data.part_files import open_log
from recembed.errors import DataError

DATASET = "dataset:"


def read_log(
    source: Source,
    *,
    items: Source | None = None,
    users: Source | None = None,
    columns: Columns = Columns(),  # noqa: B008 (frozen)
    min_user: int = 1,
    min_item: int = 1,
    repeats: Literal["keep", "collapse"] = "keep",
) -> Log:
    """The log in `source`, with what the tables `items` and `users` tell.

    columns: the column of each role, where it cannot be guessed from the usual names.
    repeats: "collapse" keeps a user's last event with an item, weights summed. min_user, min_item:
    the fewest events (after that) a user and an item must have, both at once. Items known only from
    the item table get rows after those of the log; users known only from theirs are left out.

    Raises: DataError in one line: what is wrong, where it stands, what to do.
    """
    if repeats not in ("keep", "collapse"):
        raise DataError(f"repeats is 'keep' or 'collapse', not {repeats!r}")
    if min_user < 1 or min_item < 1:
        raise DataError(f"min_user and min_item are at least 1, not {min_user} and {min_item}")
    source, items, users, columns = _located(source, items, users, columns)
    table = open_log(source)
    named = columns.of_log(table.columns, table.name)
    events = Events.read(table, named)
    item_ids, about_items = describe(items, "item", columns, events.item)
    user_ids, about_users = describe(users, "user", columns, events.user)
    interactions = events.build(user_ids, item_ids)
    if repeats == "collapse":
        interactions = collapse(interactions)
    interactions = core(interactions, min_user, min_item)
    if about_items is not None:
        all_items = interactions.items.extend(about_items.own.ids)
        interactions = replace(interactions, items=all_items)
    return Log(
        interactions,
        about_items.along(interactions.items) if about_items else None,
        about_users.along(interactions.users) if about_users else None,
    )


def _located(
    source: Source, items: Source | None, users: Source | None, columns: Columns
) -> tuple[Source, Source | None, Source | None, Columns]:
    """A data set's name or folder as its files; anything else as it is."""
    if isinstance(source, str) and source.startswith(DATASET):
        card = cards.card(source.removeprefix(DATASET))
        source, columns = cards.fetch(card.name), columns.over(card.columns)
    if not isinstance(source, (str, Path)) or not Path(source, "interactions.parquet").is_file():
        return source, items, users, columns
    beside = {name: Path(source, f"{name}.parquet") for name in ("items", "users")}
    items = beside["items"] if items is None and beside["items"].is_file() else items
    users = beside["users"] if users is None and beside["users"].is_file() else users
    return Path(source, "interactions.parquet"), items, users, columns
