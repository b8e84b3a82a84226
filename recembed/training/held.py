"""Ctrl-C that waits until what is under way is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C comes through at the end of the block; a second one at once."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # no signal arrives here, or nobody minds it
        return
    asked: list[tuple[int, Any]] = []

    def wait(number: int, frame: Any) -> None:
        asked.append((number, frame))
        if len(asked) > 1:
            before(number, frame)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        before(*asked[0])
