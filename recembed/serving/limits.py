"""What one request may ask for, and how it is refused."""

from collections.abc import Sized
from dataclasses import dataclass

from recembed.errors import DataError

DAY = 86_400
LONGEST = 500  # characters of a message: one of a thousand ids is no line


class Refused(Exception):
    """An answer of another status than 200, with one line on why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """k: items a list. ids: in any list of a request. body: bytes. seconds: until all of the
    request is there, and from then on until it is answered.
    """

    k: int = 100
    ids: int = 1000
    body: int = 1 << 20
    seconds: float = 5.0

    def __post_init__(self) -> None:
        if min(self.k, self.ids, self.body) < 1:
            raise DataError("a request may have 1 item, 1 id and 1 byte at least")
        some_time("timeout", self.seconds)

    def check_k(self, k: int) -> None:
        """Refuse to make lists that are too long."""
        if k > self.k:
            raise Refused(422, f"k is at most {self.k} here, not {k}")

    def check(self, **lists: Sized | None) -> None:
        """Refuse to take lists that are too long, by their names."""
        for name, values in lists.items():
            if values is not None and len(values) > self.ids:
                raise Refused(422, f"{name} has {len(values)} values, at most {self.ids} are taken")


def some_time(name: str, seconds: float) -> None:
    """Raises: DataError if these are no seconds that one can wait for."""
    if not 0 < seconds <= DAY:
        raise DataError(f"{name} is above 0 seconds and up to {DAY} (a day), not {seconds:g}")


def line(why: object) -> str:
    """A message as one line of bounded length."""
    text = " ".join(str(why).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
