"""What answers look like: the API's document says so, and tests hold answers to it."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from recembed.data.vocabulary import Id
from recembed.recommender.state import Placed


class BecauseOut(BaseModel):
    """An item of the history; share: of what all that speak for the item add to its score."""

    item: Id
    share: float
    title: str | None


class ItemOut(BaseModel):
    """One item of a list; a higher score is better."""

    item: Id
    score: float
    title: str | None
    because: list[BecauseOut]


class ListOut(BaseModel):
    """A list, best first. note: what else to know.

    reason: "model", "text" for a search, or why it is another list.
    """

    items: list[ItemOut]
    reason: str
    note: str | None


class ListsOut(BaseModel):
    """One list for each user asked for, in their order."""

    lists: list[ListOut]


class About(BaseModel):
    """What the run knows of an item.

    placed: what it has its place in lists by: events that training saw, content (its columns), or
    text; null: it is in none. trained: whether that is events.
    """

    item: Id
    title: str | None
    trained: bool
    placed: Placed | None
    columns: dict[str, JsonValue]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """identity: of the run that answers. degraded: the newest run was refused, for this reason."""

    status: Literal["ready", "degraded"]
    identity: str
    created: str
    reason: str | None


class Problem(BaseModel):
    """Why there is no answer, in one line."""

    detail: str
