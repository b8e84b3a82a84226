"""Tuning of an encoder by contrast: texts that belong together get near vectors."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recembed import seed as seeds
from recembed.arrays import Vectors, blocks_of
from recembed.errors import Diverged
from recembed.progress import QUIET, Progress, Task
from recembed.protocols import THIS_MACHINE, Machine
from recembed.training.average import Average
from recembed.training.devices import READ, alone, device_of, reseed
from recembed.training.held import held
from recembed.training.rounds import Rounds, Training
from recembed.training.texts.contrast import Placed, loss_of
from recembed.training.texts.mining import hard_negatives
from recembed.training.texts.packed import Packed
from recembed.training.texts.pairs import PairRows, Partners, Rows64
from recembed.training.texts.steps import CLIP, optimiser, step_size
from recembed.training.texts.tuning_settings import Tuning, decided
from recembed.training.towers.precision import autocast

if TYPE_CHECKING:
    from recembed.training.texts.networks import TextNetwork

TOKENS = 1 << 15  # encoded at once where nothing is learned

Weights: TypeAlias = dict[str, Tensor]


def tune(
    network: "TextNetwork",
    pairs: PairRows,
    setting: Tuning,
    *,
    judge: Callable[[], float] | None = None,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
    progress: Progress = QUIET,
) -> Training:
    """Change the network so that texts of a pair are near each other; how it went.

    judge: what the network is worth as it stands; asked after at most ten of the epochs, and the
    best one is kept. On the CPU one seed and one thread give the same bytes. Where tuning is
    interrupted or diverges, the network is the last good one; where there is none, it is as it was
    before, and the error comes.

    Raises: DataError if these pairs are not what the loss learns from.
    """
    setting = decided(setting, pairs.scores, negatives=pairs.negatives is not None)
    pairs, device = pairs.cleaned(), device_of(machine)
    rounds: Rounds[Weights]
    rounds = Rounds(None if judge is None else lambda _: judge(), setting.epochs)
    with alone(machine, device):
        work = _Work(network.to(device), pairs, setting, seed, rounds)
        try:
            with progress.task("tuning", setting.epochs * len(pairs), "pairs") as task:
                work.run(task, machine)
        except (KeyboardInterrupt, Diverged) as error:
            if not work.keeps(error):
                raise
            return work.end("diverged" if isinstance(error, Diverged) else "interrupted", error)
        return work.end("complete")


class _Work:
    """Steps through the epochs, and keeps what is good."""

    def __init__(
        self,
        network: "TextNetwork",
        pairs: PairRows,
        setting: Tuning,
        seed: int,
        rounds: Rounds[Weights],
    ) -> None:
        self.network, self.pairs, self.setting = network, pairs, setting
        self.seed, self.rounds = seed, rounds
        self.named = dict(network.named_parameters())
        self.device = next(iter(self.named.values())).device
        self.optimiser = optimiser(self.named, setting)
        self.average = Average(self.named, setting.average)
        self.partners = Partners.of(pairs)
        self.mined: Rows64 | None = None
        self.an_epoch = -(-len(pairs) // setting.batch_size)  # steps
        self.total = setting.epochs * self.an_epoch
        self.steps, self.whole = 0, True
        self.start = self._weights()
        self.good: tuple[Weights, int] | None = None  # and after how many steps

    def run(self, task: Task, machine: Machine) -> None:
        """To the end. Raises: Diverged."""
        every, note = self.setting.mining.every, ""
        for epoch in range(self.setting.epochs):
            if every and epoch % every == 0:
                nearest, vectors = self.setting.mining.nearest, self._vectors()
                self.mined = hard_negatives(self.pairs, self.partners, vectors, nearest, machine)
            order = seeds.rng(self.seed, "pairs", epoch).permutation(len(self.pairs))
            for which in np.array_split(order, self.an_epoch):
                loss, last = self._step(which), self.steps % self.an_epoch == 0
                if last or self.steps % READ.get(self.device.type, 1) == 0:
                    self._check(loss)
                    if last:
                        self._look(epoch + 1)
                    note = self._note(epoch, float(loss))
                task.advance(len(which), note)

    def keeps(self, error: BaseException) -> bool:
        """Whether a tuning that ended early leaves something; the network is as it was else."""
        if isinstance(error, KeyboardInterrupt) and self.whole and self.steps:
            with self.average.instead(self.steps):
                self._keep()
        if self.good is None and self.rounds.best is None:
            self._put(self.start)
            return False
        return True

    def end(
        self, ended: Literal["complete", "interrupted", "diverged"], error: object = ""
    ) -> Training:
        """The network is what is kept; how it came to it."""
        weights, steps = self.good or (self.start, 0)
        if self.rounds.best is not None:
            weights, steps = self.rounds.best, self.rounds.top[0] * self.an_epoch
        self._put(weights)
        why, epochs = str(error), self.setting.epochs
        if ended == "interrupted":
            why = f"interrupted in epoch {self._epoch()} of {epochs}"
        looks = tuple(self.rounds.looks)
        return Training(steps // self.an_epoch, epochs, steps, ended, why, looks)

    def _step(self, which: NDArray[np.int64]) -> Tensor:
        """One step on these pairs; the loss before it."""
        with held():
            self.whole = False
            reseed(self.device, int(seeds.rng(self.seed, "tuning", self.steps).integers(2**62)))
            for group in self.optimiser.param_groups:
                group["lr"] = step_size(self.setting, self.steps, self.total)
            self.optimiser.zero_grad(set_to_none=True)
            self.network.train()
            loss = loss_of(self._placed(which), self.setting.loss, self.setting.shortest)
            loss.backward()
            nn.utils.clip_grad_norm_(self.named.values(), CLIP)
            self.optimiser.step()
            self.steps += 1
            self.average.look(self.steps)
            self.whole = True
        return loss.detach()

    def _placed(self, which: NDArray[np.int64]) -> Placed:
        """The vectors of some pairs, with what a loss has to know of them."""
        pairs, n = self.pairs, len(which)
        first, second = pairs.first[which], pairs.second[which]
        named = [each[which] for each in (pairs.negatives, self.mined) if each is not None]
        negatives = np.concatenate([np.zeros(0, np.int64), *named])
        there = np.flatnonzero(negatives >= 0)
        owner, candidates = there % n, np.concatenate([second, negatives[there]])
        rows = np.concatenate([first, candidates])
        with autocast(self.device):
            vectors = self.network(Packed.of(pairs.texts.take(rows), self.device))
        one, other, rest = vectors.float().split([n, n, len(there)])
        placed = Placed(one, other, rest, self._tensor(owner))
        if pairs.scores is not None:
            return replace(placed, scores=self._tensor(pairs.scores[which]))
        own = np.arange(n)
        not_negative = self.partners.among(first, candidates)  # [n, n + m]
        not_partner = self.partners.among(second, first)  # [n, n]
        not_negative[own, own] = not_partner[own, own] = False
        return replace(
            placed,
            not_negative=self._tensor(not_negative),
            not_partner=self._tensor(not_partner),
        )

    @torch.no_grad()
    def _vectors(self) -> Vectors:
        """Of all texts, [n_texts, dim]."""
        texts = self.pairs.texts
        order = np.argsort(texts.sizes, kind="stable")  # so that blocks are of about one length
        found = []
        self.network.eval()
        for block in blocks_of(texts.sizes[order], TOKENS):
            packed = Packed.of(texts.take(order[block]), self.device)
            with autocast(self.device):
                found.append(self.network(packed).float().cpu().numpy())
        return np.concatenate(found)[np.argsort(order)]

    def _look(self, epoch: int) -> None:
        """At the end of an epoch: what is good is kept. Raises: Diverged."""
        with self.average.instead(self.steps):
            with held():
                made = self._keep()
            if made is None:
                raise self._diverged()
            self.network.eval()
            self.rounds.after(epoch, lambda: made)

    def _keep(self) -> Weights | None:
        """The weights as they stand, if they are good: also their squares are numbers."""
        if not all(bool(each.square().sum().isfinite()) for each in self.named.values()):
            return None
        made = self._weights()
        self.good = (made, self.steps)
        return made

    def _weights(self) -> Weights:
        return {name: each.detach().clone() for name, each in self.named.items()}

    @torch.no_grad()
    def _put(self, weights: Weights) -> None:
        for name, each in self.named.items():
            each.copy_(weights[name])
        self.network.eval()

    def _check(self, loss: Tensor) -> None:
        if not bool(loss.isfinite()):
            raise self._diverged()

    def _note(self, epoch: int, loss: float) -> str:
        looks = self.rounds.looks
        valid = f", valid {looks[-1][1]:.4f}" if looks else ""
        return f"epoch {epoch + 1}/{self.setting.epochs}, loss {loss:.3f}{valid}"

    def _diverged(self) -> Diverged:
        return Diverged(
            f"tuning diverged in epoch {self._epoch()} at learning_rate "
            f"{self.setting.learning_rate}: set it lower"
        )

    def _epoch(self) -> int:
        """The number of the epoch that the last step was of."""
        return -(-self.steps // self.an_epoch)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)
