"""Which column is what: named by the caller, or guessed from the usual names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from recembed.errors import DataError

USUAL = {  # letters and digits only, the likeliest first
    "user": "userid user uid customerid customer householdid visitorid reviewerid memberid "
    "clientid accountid sessionid session",
    "item": "itemid item iid productid product movieid asin parentasin articleid article stockcode "
    "sku trackid songid bookid isbn gameid newsid businessid",
    "time": "timestamp time datetime date ts eventtime transactiontimestamp unixreviewtime "
    "createdat invoicedate",
    "position": "position",
    "title": "title name itemname productname productdescription movietitle producttitle",
    "text": "text sentence title content body review",
    "label": "label category class topic genre",
    "first": "first sentence1 text1 texta sentencea anchor query question question1 premise",
    "second": "second sentence2 text2 textb sentenceb positive document passage answer question2 "
    "hypothesis",
    "negative": "negative hardnegative",
    "score": "score similarity similarityscore relatedness relatednessscore rating",
}

PART_NAMES = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
}
FILE_PART = "part (file name)"  # the column that a folder of train.*, valid.* and test.* has


@dataclass(frozen=True)
class Columns:
    """The column of each role; None: guess it, or go without where nothing is guessed.

    user, item: needed in every log. time, position: what orders events. weight, group: a number an
    event, and its basket or session; taken only when named. item_id: id column of the item table.
    title: what people read in the item table; "a+b" joins columns with a space. part: train, valid
    or test, an event; where not named, the files' names say it, if they do.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    position: str | None = None
    weight: str | None = None
    group: str | None = None
    part: str | None = None
    item_id: str | None = None
    title: str | None = None

    def over(self, other: "Columns") -> "Columns":
        """These names, and `other`'s where these are None."""
        names = [field.name for field in fields(self)]
        return Columns(**{name: getattr(self, name) or getattr(other, name) for name in names})

    def of_log(self, there: Sequence[str], source: str) -> "Columns":
        """The columns of a log that has the columns `there`; `source` is its name in messages.

        Raises: DataError if the user or item column is missing, or a guess is ambiguous.
        """
        time = find("time", self.time, there, source)
        guess = time is None or self.position is not None  # a time is order enough
        return Columns(
            user=needed("user", self.user, there, source, option="--columns user=COLUMN"),
            item=needed("item", self.item, there, source, option="--columns item=COLUMN"),
            time=time,
            position=find("position", self.position, there, source) if guess else None,
            weight=_named("weight", self.weight, there, source),
            group=_named("group", self.group, there, source),
            part=_named("part", self.part, there, source)
            or (FILE_PART if FILE_PART in there else None),
        )

    def read(self) -> list[str]:
        """The columns a log is made of, each once."""
        mine = (self.user, self.item, self.time, self.position, self.weight, self.group, self.part)
        return list(dict.fromkeys(name for name in mine if name is not None))


def needed(
    role: str, name: str | None, there: Sequence[str], source: str, option: str | None = None
) -> str:
    """The column of `role`: `name`, or the guess. option: what names it.

    Raises: DataError that lists the columns there are.
    """
    found = find(role, name, there, source)
    if found is None:
        what = f"{role} column" + ("" if option is None else f": {option}")
        raise DataError(f"{source} has no {role} column that can be guessed; {_has(there, what)}")
    return found


def find(role: str, name: str | None, there: Sequence[str], source: str) -> str | None:
    """The column of `role`: `name`, or the likeliest of the usual names, or None.

    Raises: DataError if `name` is not there, or two columns are the same usual name.
    """
    if name is not None:
        return _named(role, name, there, source)
    plain = [re.sub("[^a-z0-9]", "", column.lower()) for column in there]
    for usual in USUAL[role].split():
        if plain.count(usual) > 1:
            pairs = zip(there, plain, strict=True)
            both = ", ".join(column for column, bare in pairs if bare == usual)
            raise DataError(f"{source}: {role} could be any of {both}: name the one that it is")
        if usual in plain:
            return there[plain.index(usual)]
    return None


def _named(role: str, name: str | None, there: Sequence[str], source: str) -> str | None:
    if name is not None and name not in there:
        raise DataError(
            f"{source} has no column {name!r} for {role}; {_has(there, f'{role} column')}"
        )
    return name


def _has(there: Sequence[str], what: str) -> str:
    return f"it has: {', '.join(there)} (name the {what})"


def check_names(names: Sequence[str], source: str) -> None:
    """Every column name stands once.

    Raises: DataError naming those that stand twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{source} has two columns called {', '.join(twice)}: rename one")
