"""Texts to learn from: files, columns or lists, read in blocks as often as they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from recembed.errors import DataError
from recembed.progress import Task
from recembed.text.blocks import check_files, text_blocks

MANY = 1 << 14  # texts of a list that are joined at once

Files: TypeAlias = str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Texts:
    """Files with a text a line, or texts in memory; a line break in one of those is a space."""

    files: tuple[Path, ...] = ()
    held: Sequence[str] = ()

    @classmethod
    def of(cls, files: Files) -> "Texts":
        """Plain or compressed files. Raises: DataError if one is none."""
        paths = [Path(one) for one in ([files] if isinstance(files, (str, Path)) else files)]
        check_files(paths)
        return cls(tuple(paths))

    @property
    def size(self) -> int:
        """Bytes on disk, or texts in memory: what `blocks` advances its task by."""
        return sum(path.stat().st_size for path in self.files) + len(self.held)

    @property
    def where(self) -> str:
        """What messages call it."""
        return ", ".join(map(str, self.files)) or "the texts"

    def blocks(self, task: Task | None = None) -> Iterator[bytes]:
        """Valid UTF-8, cut behind a line break, or behind a space in a long line.

        Raises: DataError naming the file and the line that is no text.
        """
        for path in self.files:
            yield from text_blocks(path, task)
            yield b"\n"  # a file ends its last line
        for start in range(0, len(self.held), MANY):
            some = self.held[start : start + MANY]
            yield "".join(" ".join(text.split("\n")) + "\n" for text in some).encode(
                errors="replace"  # half of a surrogate pair
            )
            if task is not None:
                task.advance(len(some))

    def lines(self, task: Task | None = None) -> Iterator[list[str]]:
        """The texts themselves, in lists; empty ones are left out."""
        for block in self.blocks(task):
            found = [line for line in block.decode().split("\n") if line.strip()]
            if found:
                yield found

    def check(self) -> None:
        """Raises: DataError if there is nothing at all."""
        if next(self.lines(), None) is None:
            raise DataError(f"there is no text in {self.where}")
