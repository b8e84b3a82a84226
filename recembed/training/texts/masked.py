"""Masked-token training: a network learns a language by guessing what is hidden in a text."""

import math
import time
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recembed import seed as seeds
from recembed.arrays import Rows
from recembed.errors import Diverged
from recembed.progress import QUIET, Progress, Task
from recembed.protocols import Machine
from recembed.training.checkpoint import SAVE_EVERY, Store
from recembed.training.devices import READ, alone, device_of, reseed
from recembed.training.held import held
from recembed.training.rounds import Training
from recembed.training.texts.guesses import Guesser, Guesses, State
from recembed.training.texts.networks import TextNetwork
from recembed.training.texts.settings import Masked

WORST = 10.0  # times the loss of guessing: it is astray
KEEP = 20  # times in a training that what is good is put aside

Good: TypeAlias = tuple[dict[str, Tensor], int]  # weights, and after how many steps


@dataclass(frozen=True, eq=False)
class Stream:
    """What is learned from: tokens int32 [n], text after text; they may be memory-mapped.

    length: of a sequence that is cut out of them. mask: the token that hides others.
    """

    tokens: Rows
    length: int
    mask: int


def train_masked(
    network: TextNetwork,
    stream: Stream,
    setting: Masked,
    *,
    seed: int,
    machine: Machine,
    progress: Progress = QUIET,
) -> Training:
    """Train the network, which has to see more than single tokens, and tell how it went.

    On the CPU one seed and one thread give the same bytes, whether or not training was stopped and
    went on from machine.checkpoint in between; there the learning_rate may be another one.
    Where training is interrupted or diverges, the network is what was good last, or the error comes
    where nothing was; with a checkpoint, that keeps it, and the error comes as well.

    Raises: DataError if the checkpoint belongs to another training.
    """
    device = device_of(machine)
    with alone(machine, device):
        torch.manual_seed(int(seeds.rng(seed, "guesser").integers(2**62)))
        state = State(Guesser(network.to(device)).to(device), setting)
        work = _Work(state, stream, seed)
        if machine.checkpoint is not None:
            sizes = (network.setting, tuple(network.table.shape), stream.length, stream.mask)
            key = (replace(setting, learning_rate=0.0), seed, sizes)
            work.go_on_from(Store.of(machine.checkpoint, key, stream.tokens))
        try:
            with progress.task("masked tokens", work.total, "tokens") as task:
                work.run(task)
        except (KeyboardInterrupt, Diverged) as error:
            if not work.usable(error):
                raise
            if isinstance(error, Diverged):
                return work.end("diverged", str(error))
            of = f"{work.epoch} of {setting.epochs}"
            return work.end("interrupted", f"interrupted in epoch {of} of masked tokens")
        work.save()
        return work.end("complete")


class _Work:
    """Steps through the epochs, and keeps what is good."""

    def __init__(self, state: State, stream: Stream, seed: int) -> None:
        self.state, self.stream, self.seed, self.setting = state, stream, seed, state.setting
        self.length = min(stream.length, len(stream.tokens))
        # one less than there are: they begin anywhere
        self.sequences = max(1, len(stream.tokens) // self.length - 1)
        self.an_epoch = -(-self.sequences // self.setting.batch_size)
        self.steps = self.setting.epochs * self.an_epoch
        self.worst = WORST * math.log(len(state.guesser.bias) + 1)
        self.every = READ.get(state.guesser.network.device.type, 1)
        self.good: Good | None = None
        self.aside: Good | None = None  # good if the next loss is
        self.store: Store | None = None
        self.saved = time.monotonic()

    @property
    def total(self) -> int:
        """Tokens of all epochs."""
        return self.setting.epochs * self.sequences * self.length

    @property
    def epoch(self) -> int:
        """The number of the epoch that the last step was of."""
        return -(-self.state.steps // self.an_epoch)

    def go_on_from(self, store: Store) -> None:
        """Take the state of a file, if it is there, and keep it there from now on."""
        self.store = store
        store.load(self.state)

    def run(self, task: Task) -> None:
        """To the end. Raises: Diverged."""
        size, starts, note = self.setting.batch_size, None, ""
        epoch, at = divmod(self.state.steps, self.an_epoch)
        task.resume((epoch * self.sequences + min(at * size, self.sequences)) * self.length)
        aside = max(1, self.steps // KEEP)
        while self.state.steps < self.steps:
            epoch, at = divmod(self.state.steps, self.an_epoch)
            if at == 0 or starts is None:
                starts = self._starts(epoch)
            some = starts[at * size : (at + 1) * size]
            loss = self._step(some)
            if self.state.steps % self.every == 0:
                if not float(loss) < self.worst:
                    raise self._diverged()
                self.good, self.aside = self.aside or self.good, None
                note = f"epoch {epoch + 1}/{self.setting.epochs}, loss {float(loss):.3f}"
            if self.state.steps % aside == 0:
                self.aside = self._finite()
            task.advance(len(some) * self.length, note)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self.save()
        self.good = self._finite()

    def save(self) -> None:
        """Keep the state, if it is to be kept anywhere and is good."""
        if self.store is not None and self.state.finite():
            self.store.save(self.state)
        self.saved = time.monotonic()

    def usable(self, error: BaseException) -> bool:
        """Whether a training that ended early leaves something here; a checkpoint keeps it else."""
        stopped, state = isinstance(error, KeyboardInterrupt), self.state
        if self.store is not None:
            if stopped and state.whole and state.steps:
                self.save()
            return False
        if stopped and state.whole and state.steps and state.finite():
            self.good = (state.guesser.network.state_dict(), state.steps)
        return self.good is not None and (state.whole or not stopped)

    def end(self, ended: Literal["complete", "interrupted", "diverged"], why: str = "") -> Training:
        """Leave the network as it was last good."""
        assert self.good is not None
        weights, steps = self.good
        self.state.guesser.network.load_state_dict(weights)
        self.state.guesser.network.eval()
        return Training(steps // self.an_epoch, self.setting.epochs, steps, ended, why)

    def _starts(self, epoch: int) -> NDArray[np.int64]:
        """Where the sequences of an epoch begin, in the order of training: each time elsewhere."""
        random = seeds.rng(self.seed, "sequences", epoch)
        spare = len(self.stream.tokens) - self.sequences * self.length
        shift = int(random.integers(spare + 1))
        starts: NDArray[np.int64] = shift + self.length * random.permutation(self.sequences)
        return starts

    def _step(self, starts: NDArray[np.int64]) -> Tensor:
        """What is drawn depends on the seed and the step alone: no generator is to be kept."""
        state = self.state
        random = seeds.rng(self.seed, "masked", state.steps)
        rows = self.stream.tokens[starts[:, None] + np.arange(self.length)]
        n_tokens = len(state.guesser.bias)
        with held():
            reseed(state.guesser.network.device, int(random.integers(2**62)))
            guesses = Guesses.of(rows, n_tokens, self.stream.mask, self.setting.share, random)
            return state.step(guesses, self.steps)

    def _finite(self) -> Good:
        """The network as it is. Raises: Diverged if it has burst."""
        if not self.state.finite():
            raise self._diverged()
        weights = self.state.guesser.network.state_dict()
        return {name: each.clone() for name, each in weights.items()}, self.state.steps

    def _diverged(self) -> Diverged:
        kept = "" if self.store is None else self.store.described()
        return Diverged(
            f"training on masked tokens diverged in epoch {self.epoch} at learning_rate "
            f"{self.setting.learning_rate}: set it lower{kept}"
        )
