"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

SECONDS_BETWEEN_LINES = 10.0  # a log file should show life without filling up


class Task:
    """One piece of long work; `advance` says how much of it is done."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.before = 0, 0
        self.begin = time.perf_counter()

    def resume(self, amount: int) -> None:
        """`amount` units were done before now, which says nothing of the speed."""
        self.done = self.before = amount

    def advance(self, amount: int, note: str = "") -> None:
        """Count `amount` units as done; `note` is shown beside them (a loss, a metric)."""
        self.done += amount

    def close(self) -> None:
        """Say that the work ended."""

    def abandon(self) -> None:
        """Leave the terminal as it was: an error speaks for itself."""


class _Lines(Task):
    def __init__(self, label: str, total: int, unit: str) -> None:
        super().__init__(label, total, unit)
        self.spoken, self.note = self.begin, ""

    def advance(self, amount: int, note: str = "") -> None:
        super().advance(amount, note)
        self.note = note or self.note
        now = time.perf_counter()
        if now - self.spoken >= SECONDS_BETWEEN_LINES and self.done < self.total:
            self.spoken = now
            rate = (self.done - self.before) / (now - self.begin)
            left = (self.total - self.done) / rate if rate else float("inf")
            share = self.done / max(self.total, 1)
            self._write(f"{share:.0%}, {_told(rate)} {self.unit}/s, {left:,.0f} s left")

    def close(self) -> None:
        seconds = time.perf_counter() - self.begin
        rate = (self.done - self.before) / max(seconds, 1e-9)
        self._write(
            f"done, {self.done:,} {self.unit} in {seconds:.1f} s, {_told(rate)} {self.unit}/s"
        )

    def _write(self, text: str) -> None:
        note = f" ({self.note})" if self.note else ""
        sys.stderr.write(f"{self.label}: {text}{note}\n")


def _told(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


class _Bar(Task):
    def __init__(self, label: str, total: int, unit: str) -> None:
        from tqdm import tqdm

        super().__init__(label, total, unit)
        self.bar = tqdm(total=total, desc=label, unit=f" {unit}", unit_scale=True, leave=True)

    def resume(self, amount: int) -> None:
        super().resume(amount)
        self.bar.n = self.bar.initial = self.bar.last_print_n = amount

    def advance(self, amount: int, note: str = "") -> None:
        super().advance(amount, note)
        if note:
            self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(amount)

    def close(self) -> None:
        self.bar.close()

    def abandon(self) -> None:
        self.bar.close()


class Progress:
    """How long work speaks. `mode`: "bar", "lines", "quiet", or "auto" (a bar on a terminal)."""

    def __init__(self, mode: Literal["auto", "bar", "lines", "quiet"] = "auto") -> None:
        terminal = sys.stderr.isatty()
        self.mode = ("bar" if terminal else "lines") if mode == "auto" else mode

    @contextmanager
    def task(self, label: str, total: int, unit: str) -> Iterator[Task]:
        """A task of `total` units that ends with the block."""
        kinds: dict[str, type[Task]] = {"bar": _Bar, "lines": _Lines}
        task = kinds.get(self.mode, Task)(label, total, unit)
        try:
            yield task
        except BaseException:
            task.abandon()
            raise
        task.close()

    def say(self, text: str) -> None:
        """One line of news."""
        if self.mode != "quiet":
            sys.stderr.write(text + "\n")


QUIET = Progress("quiet")
