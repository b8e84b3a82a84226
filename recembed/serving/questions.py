"""What a request says: as JSON, and as a query string that becomes the same."""

from dataclasses import fields
from typing import Annotated, Any, Self, TypeAlias

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from recembed.data.vocabulary import Id, Vocabulary
from recembed.recommender.wish import MOST_REASONS, Wish, as_values
from recembed.serving.limits import Limits, Refused

OneId: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)] | str
OneValue: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)] | str | float | bool
LONGEST_TEXT = 4096  # characters: a question, not a document
Words: TypeAlias = Annotated[
    str,
    Field(
        max_length=LONGEST_TEXT,
        description=f"What items are to be like, in at most {LONGEST_TEXT} characters.",
    ),
]
Length: TypeAlias = Annotated[int, Field(ge=1, description="Length of the list.")]
Whole: TypeAlias = Annotated[int, Field(ge=1)]
Share: TypeAlias = Annotated[
    float, Field(ge=0, le=1, description="0: by score alone; 1: by distance from what is listed.")
]
Reasons: TypeAlias = Annotated[
    int, Field(ge=0, le=MOST_REASONS, description="How many items of the history explain an item.")
]
Seen: TypeAlias = Annotated[
    bool | None,
    Field(description="Leave out what the history has; null: as in the run's evaluation."),
]


class Strict(BaseModel):
    """A typing error in a name is told, not passed over."""

    model_config = ConfigDict(extra="forbid")


class Told(Strict):
    """What a body says."""

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read and checked: numbers are no texts, and texts are Unicode.

        Raises: RequestValidationError, as FastAPI does, whose own reader takes half a character
        for text and falls over deep nesting.
        """
        try:
            return cls.model_validate_json(body, strict=True)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_input=False)) from error

    @classmethod
    def document(cls) -> dict[str, Any]:
        """The same in the API's document."""
        content = {"application/json": {"schema": cls.model_json_schema()}}
        return {"requestBody": {"required": True, "content": content}}


class Narrowed(Told):
    """The fields of Wish that any list has."""

    k: Length = 10
    allow: list[OneId] | None = Field(None, description="Only these items; null: all.")
    exclude: list[OneId] = Field([], description="Never these items.")
    where: dict[str, OneValue | list[OneValue]] = Field(
        {}, description="Only items whose column has this value, or one of these."
    )
    diversity: Share = 0.0
    cap: dict[str, Whole] = Field(
        {}, description="At most so many items with the same value of a column."
    )

    def wish(self, limits: Limits) -> dict[str, Any]:
        """Keywords of a Wish, within the limits."""
        limits.check_k(self.k)
        limits.check(allow=self.allow, exclude=self.exclude, where=self.where, cap=self.cap)
        limits.check(**{f"where {name}": as_values(one) for name, one in self.where.items()})
        there = type(self).model_fields
        return {one.name: getattr(self, one.name) for one in fields(Wish) if one.name in there}


class Wished(Narrowed):
    """All the fields that Wish has."""

    exclude_seen: Seen = None
    because: Reasons = 0


class One(Wished):
    """A user of the run (and what they hold now), or the history of somebody without a name."""

    user: OneId | None = None
    history: list[OneId] | None = Field(None, description="Items, oldest first.")
    basket: list[OneId] = Field([], description="Items that the user holds right now.")

    @property
    def plain(self) -> bool:
        """Whether it takes one search and no more."""
        return not (self.where or self.diversity or self.cap or self.because)


class Many(Wished):
    """Several users; each gets the list that they would get alone."""

    users: list[OneId]
    basket: list[OneId] = Field([], description="Items that each of them holds right now.")


class Search(Narrowed):
    """A text that items are to be like."""

    text: Words


class Asked(Strict):
    """What a query string says; lists by naming a parameter again."""

    @classmethod
    def of(cls, query: QueryParams) -> Self:
        """Read and checked; FastAPI's own way takes five times as long.

        Raises: RequestValidationError, as FastAPI does; Refused where a single value stands twice.
        """
        lists = {name for name, field in cls.model_fields.items() if field.annotation == list[str]}
        given = {name: query.getlist(name) for name in {**query}}
        twice = [name for name, all in given.items() if len(all) > 1 and name not in lists]
        if twice:
            raise Refused(422, f"{twice[0]}: one value is taken, not {len(given[twice[0]])}")
        values = {name: all if name in lists else all[0] for name, all in given.items()}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_input=False)) from error

    @classmethod
    def document(cls) -> dict[str, Any]:
        """The same in the API's document."""
        schema = cls.model_json_schema()
        return {
            "parameters": [
                {
                    "name": name,
                    "in": "query",
                    "required": name in schema.get("required", ()),
                    "schema": field,
                }
                for name, field in schema["properties"].items()
            ]
        }


class NarrowedAsked(Asked):
    """The same as `Narrowed`."""

    k: Length = 10
    allow: list[str] = Field([], description="Only these items.")
    exclude: list[str] = Field([], description="Never these items.")
    where: list[str] = Field([], description="COLUMN=VALUE; one of the values of each column.")
    diversity: Share = 0.0
    cap: list[str] = Field([], description="COLUMN=N: at most N items with the same value.")

    def narrowed(self, items: Vocabulary) -> dict[str, Any]:
        """What `Narrowed` says of it; ids are read as what they are in the run: 42 is a number or a
        text there.
        """
        where: dict[str, Any] = {}
        for name, value in map(_pair, self.where):
            where.setdefault(name, []).append(value)
        caps = [_pair(text) for text in self.cap]
        if len({name for name, _ in caps}) < len(caps):
            raise Refused(422, "cap: one number for each column is taken")
        return {
            "k": self.k,
            "allow": [*map(items.parse, self.allow)] or None,
            "exclude": [*map(items.parse, self.exclude)],
            "where": where,
            "diversity": self.diversity,
            "cap": {name: _whole(name, value) for name, value in caps},
        }


class OneAsked(NarrowedAsked):
    """The same as `One`."""

    user: str | None = None
    history: list[str] = Field([], description="Items, oldest first.")
    basket: list[str] = Field([], description="Items that the user holds right now.")
    exclude_seen: Seen = None
    because: Reasons = 0

    def one(self, users: Vocabulary, items: Vocabulary) -> One:
        """With ids as they are in the run."""
        return One.model_construct(
            user=None if self.user is None else users.parse(self.user),
            history=[*map(items.parse, self.history)] or None,
            basket=[*map(items.parse, self.basket)],
            exclude_seen=self.exclude_seen,
            because=self.because,
            **self.narrowed(items),
        )


class SimilarAsked(Asked):
    """An item of the run."""

    item: str
    k: Length = 10


class SearchAsked(NarrowedAsked):
    """The same as `Search`."""

    text: Words

    def search(self, items: Vocabulary) -> Search:
        """With ids as they are in the run."""
        return Search.model_construct(text=self.text, **self.narrowed(items))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Refused(422, "where and cap are COLUMN=VALUE")
    return name, value


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) >= 1):
        raise Refused(422, f"cap {name}: a whole number from 1 on is needed")
    return int(text)


def parsed(vocabulary: Vocabulary, text: str) -> Id:
    """An id of a path or a query; refused with 404 if the run does not have it."""
    id = vocabulary.parse(text)
    if int(vocabulary.rows([id])[0]) < 0:
        raise Refused(404, f"the run has no such {vocabulary.name}")
    return id
