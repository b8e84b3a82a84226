"""Training of the two towers, step by step: watched, stopped, and gone on with."""

import math
import time
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from recembed import seed as seeds
from recembed.errors import Diverged
from recembed.progress import QUIET, Progress, Task
from recembed.protocols import Machine
from recembed.training.checkpoint import SAVE_EVERY, Store
from recembed.training.devices import READ, alone, device_of, reseed
from recembed.training.examples import Examples
from recembed.training.held import held
from recembed.training.rounds import Rounds, Training
from recembed.training.towers.model import Data, Towers, Trained
from recembed.training.towers.settings import Setting
from recembed.training.towers.state import Kept, State

WORST = 10.0  # times the loss of guessing: Adam's steps can blow up vectors that stay finite


def train(
    examples: Examples,
    data: Data,
    setting: Setting,
    *,
    seed: int,
    machine: Machine,
    progress: Progress = QUIET,
    rounds: Rounds[Trained] | None = None,
) -> tuple[Trained, Training]:
    """The trained towers, the best round of them where `rounds` asks, and how it went.

    On the CPU one seed and one thread give the same bytes, whether or not training was stopped and
    went on from machine.checkpoint in between; there the learning_rate may be another one.
    Where training is interrupted or diverges, what is good so far comes back, or the error where
    there is nothing good; with a checkpoint, that keeps it, and the error comes as well.

    Raises: DataError if the checkpoint belongs to another training.
    """
    device = device_of(machine)
    with alone(machine, device):
        torch.manual_seed(int(seeds.rng(seed, "towers").integers(2**62)))
        state = State(Towers(data, setting).to(device))
        work = _Work(examples, state, seed, rounds or Rounds(None, setting.epochs))
        if machine.checkpoint is not None:
            work.go_on_from(_store(machine, examples, data, setting, seed))
        try:
            with progress.task("two-tower", setting.epochs * examples.positions, "positions") as at:
                work.run(at)
        except (KeyboardInterrupt, Diverged) as error:
            if not work.usable(error):
                raise
            stopped: Literal["interrupted", "diverged"]
            stopped = "diverged" if isinstance(error, Diverged) else "interrupted"
            return work.end(stopped, str(error))
        work.save()
        return work.end("patience" if work.rounds.over else "complete")


class _Work:
    """Steps through the epochs, and keeps what is good."""

    def __init__(
        self, examples: Examples, state: State, seed: int, rounds: Rounds[Trained]
    ) -> None:
        self.examples, self.state, self.seed, self.rounds = examples, state, seed, rounds
        self.setting = state.setting
        self.an_epoch = -(-len(examples) // self.setting.batch_size)  # steps
        self.steps = self.setting.epochs * self.an_epoch
        guess = self.setting.guess(len(state.towers.rows))
        # a cosine cannot blow up, and over a low temperature it is far from a guess at first
        self.worst = math.inf if self.setting.score == "cosine" else WORST * guess
        self.every = READ.get(state.towers.device.type, 1)
        self.good: tuple[Trained, int] | None = None  # and after how many steps
        self.store: Store | None = None
        self.saved = time.monotonic()

    def go_on_from(self, store: Store) -> None:
        """Take the state of a file, if it is there, and keep it there from now on."""
        self.store = store
        store.load(Kept(self.state, self.rounds))

    def run(self, task: Task) -> None:
        """To the end. Raises: Diverged."""
        task.resume(self.state.positions)
        size, order, note = self.setting.batch_size, None, ""
        while True:
            epoch, at = divmod(self.state.steps, self.an_epoch)
            if at == 0 and epoch:
                self._look(epoch)
            if self.state.steps == self.steps or self.rounds.over:
                return
            if at == 0 or order is None:
                order = seeds.rng(self.seed, "examples", epoch).permutation(len(self.examples))
            before = self.state.positions
            loss = self._step(order[at * size : (at + 1) * size])
            if self.state.steps % self.every == 0:
                note = self._note(epoch, float(loss))
            task.advance(self.state.positions - before, note)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self.save()

    def save(self) -> None:
        """Keep the state, if it is to be kept anywhere and is good."""
        if self.store is not None and self.state.finite():
            self.store.save(Kept(self.state, self.rounds))
        self.saved = time.monotonic()

    def usable(self, error: BaseException) -> bool:
        """Whether a training that ended early leaves something here; a checkpoint keeps it else."""
        if self.store is not None:
            if isinstance(error, KeyboardInterrupt) and self.state.whole and self.state.steps:
                self.save()
            return False
        if isinstance(error, KeyboardInterrupt) and self.state.steps:
            if not self.state.whole:  # asked for twice
                return False
            made = self.state.export()
            if _finite(made):
                self.good = (made, self.state.steps)
        return self.good is not None or self.rounds.best is not None

    def end(
        self, ended: Literal["complete", "patience", "interrupted", "diverged"], why: str = ""
    ) -> tuple[Trained, Training]:
        """What is kept, and how it came to it."""
        best = self.rounds.top[0] * self.an_epoch
        last, steps = self.good or (None, 0)
        if self.rounds.best is not None:
            last, steps = self.rounds.best, best
        assert last is not None
        epochs = steps // self.an_epoch
        if ended == "interrupted":
            why = f"interrupted in epoch {self._epoch()} of {self.setting.epochs}"
        return last, Training(
            epochs, self.setting.epochs, steps, ended, why, tuple(self.rounds.looks)
        )

    def _step(self, which: NDArray[np.int64]) -> torch.Tensor:
        """What is drawn depends on the seed and the step alone: no generator is to be kept."""
        state = self.state
        random = seeds.rng(self.seed, "step", state.steps)
        with held():
            reseed(state.towers.device, int(random.integers(2**62)))
            batch = self.examples.batch(which, random)
            return state.step(batch, random, 1 - state.steps / (self.steps + 1))

    def _look(self, epoch: int) -> None:
        """At the end of an epoch: what is good is kept."""
        with held():
            made = self.state.export()
        if not _finite(made):
            raise self._diverged()
        self.good = (made, self.state.steps)
        self.rounds.after(epoch, lambda: made)

    def _note(self, epoch: int, loss: float) -> str:
        if not loss < self.worst:
            raise self._diverged()
        looks = self.rounds.looks
        valid = f", valid {looks[-1][1]:.4f}" if looks else ""
        return f"epoch {epoch + 1}/{self.setting.epochs}, loss {loss:.3f}{valid}"

    def _diverged(self) -> Diverged:
        kept = "" if self.store is None else self.store.described()
        return Diverged(
            f"training diverged in epoch {self._epoch()} at learning_rate "
            f"{self.setting.learning_rate}: set it lower{kept}"
        )

    def _epoch(self) -> int:
        """The number of the epoch that the last step was of."""
        return -(-self.state.steps // self.an_epoch)


def _store(machine: Machine, examples: Examples, data: Data, setting: Setting, seed: int) -> Store:
    assert machine.checkpoint is not None
    events, content = examples.events, data.content
    sparse = [each for each in (content.sparse, data.users) if each is not None]
    return Store.of(
        machine.checkpoint,
        (replace(setting, learning_rate=0.0), seed, examples.given),
        events.events,
        *(events.columns().get(name) for name in ("time", "weight", "group")),
        *(examples.starts, examples.sizes, examples.begins),
        *(data.known, data.counts, content.dense),
        *(part for each in sparse for part in (each.indptr, each.indices, each.data)),
    )


def _finite(made: Trained) -> bool:
    arrays = (made.table, made.bias, made.users, *made.tower.values())
    return all(np.isfinite(each).all() for each in arrays if each is not None)
