"""The lists of all users in one Parquet file: made in blocks, so that a kill costs one of them."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pyarrow import feather

import recembed
from recembed.arrays import Rows, blocks_of
from recembed.errors import DataError, RunError
from recembed.progress import Progress, Task
from recembed.recommender import State, Wish
from recembed.recommender.tables import lists_of, named
from recembed.run.whole import whole
from recembed.search.kinds import IndexKind

BLOCK = 1 << 20  # listed items and events of histories at a time: some 100 MB of arrays


@dataclass(frozen=True)
class Shard:
    """Part `at`, 1 is the first, of the users, every `of`-th of them."""

    at: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From "2/8". Raises: DataError for anything else."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise DataError(f"a shard of the users is 1/8, 2/8, ... or 8/8, not {text!r}")
        return cls(int(match[1]), int(match[2]))

    def users(self, n_users: int) -> Rows:
        """Rows of its users."""
        return np.arange(self.at - 1, n_users, self.of, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Batch:
    """A question about all users of a run, or of a shard of them.

    index: the one that was asked for. newer: whether the log has events that the run lacks.
    """

    state: State
    wish: Wish
    shard: Shard = Shard()
    index: IndexKind | None = None
    newer: bool = False

    def into(self, out: Path, progress: Progress) -> int:
        """Write the lists to `out`, and say how many rows there are; see `tables.named`.

        What an earlier call of the same question did before it was cut off is not done again.

        Raises: RunError if another process is answering it into the same file.
        """
        events = self.state.log.interactions
        users = self.shard.users(events.n_users)
        with _parts(out, self._key()) as folder:
            blocks = [
                users[at] for at in blocks_of(self.wish.k + events.events.sizes[users], BLOCK)
            ]
            files = [folder / f"{at}.arrow" for at in range(len(blocks))]
            with progress.task("recommend", len(users), "users") as task:
                self._answer(blocks, files, task)
            return self._join(files, folder / "joined", out)

    def _key(self) -> str:
        """Tells the run and all that is asked: parts of another key belong to another answer."""
        asked = {
            "recembed": recembed.__version__,
            "run": self.state.identity,
            "newer": self.state.log.interactions.fingerprint() if self.newer else None,
            "wish": asdict(self.wish),
            "shard": asdict(self.shard),
            "index": self.index,
            "block": BLOCK,
        }
        return hashlib.sha256(json.dumps(asked, default=str).encode()).hexdigest()[:16]

    def _answer(self, blocks: Sequence[Rows], files: Sequence[Path], task: Task) -> None:
        todo = [pair for pair in zip(blocks, files, strict=True) if not pair[1].exists()]
        task.resume(sum(map(len, blocks)) - sum(len(users) for users, _ in todo))
        for users, file in todo:
            lists = lists_of(self.state, users, self.wish)
            with whole(file) as beside:
                feather.write_feather(lists, beside, compression="uncompressed")
            task.advance(len(users))

    def _join(self, files: Sequence[Path], beside: Path, out: Path) -> int:
        """A row group for each part; the file takes the place of `out` when it is whole."""
        nobody, n = lists_of(self.state, np.zeros(0, np.int32), self.wish), 0
        schema = named(self.state, nobody).schema
        repeated = [name for name in schema.names if name not in ("score", "because")]
        how = {"use_dictionary": repeated, "write_statistics": ["user"]}  # of all: twice as long
        with pq.ParquetWriter(beside, schema, **how) as writer:
            for file in files:
                lists = feather.read_table(file, memory_map=True)
                writer.write_table(named(self.state, lists), max(1, len(lists)))
                n += len(lists)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.replace(out)
        return n


@contextmanager
def _parts(out: Path, key: str) -> Iterator[Path]:
    """A hidden folder beside `out`, for one process at a time; it stays where there is an error.

    At the end it goes, and so do those that other questions have left.
    """
    folder = out.with_name(f".{out.name}.{key}.parts")
    folder.mkdir(exist_ok=True)
    with _held(folder) as mine:
        if not mine:
            raise RunError(f"another process is answering this into {out}: wait until it is done")
        try:
            yield folder
        except BaseException:
            with suppress(OSError):
                folder.rmdir()  # if there is nothing in it
            raise
        shutil.rmtree(folder)
    key_like = "[0-9a-f]" * len(key)
    for other in out.parent.glob(f".{_literal(out.name)}.{key_like}.parts"):
        with _held(other) as left:
            if left:
                shutil.rmtree(other)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Whether no other process works in a folder; none will until the end."""
    number = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(number) and folder.is_dir()
    finally:
        os.close(number)


def _locked(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _literal(name: str) -> str:
    """A name as a pattern that nothing but it matches."""
    return re.sub(r"([*?[])", r"[\1]", name)
