"""Training of LightGCN: a batch of pairs a step, and the whole graph there and back."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recembed import seed as seeds
from recembed.arrays import Rows, Vectors, unit
from recembed.errors import DataError, Diverged
from recembed.progress import QUIET, Progress
from recembed.training.lightgcn.graph import Graph, scales
from recembed.training.lightgcn.losses import Gradients, bpr, softmax, through_unit
from recembed.training.lightgcn.settings import BPR, Setting
from recembed.training.lightgcn.steps import adam, add_rows
from recembed.training.rounds import Rounds

SIZE = 0.1  # of numbers at the start, as published
WORST = 10.0  # times the loss of guessing: Adam's steps can blow up vectors that stay finite


@dataclass(frozen=True, eq=False)
class Trained:
    """inputs float32 [n_items, dim]: what an item adds to a unit, but for the unit's degree.

    outputs float32 [n_items, dim]: the items' vectors. own float32 [n_units, dim]: what is added
    to the units that were trained, beside their items. With 1 / sqrt(degree) times the sum of its
    inputs, and its own, a unit's vector is the one of the whole graph.
    """

    inputs: Vectors
    outputs: Vectors
    own: Vectors


def train(
    matrix: sp.csr_matrix,
    setting: Setting,
    *,
    seed: int,
    threads: int,
    progress: Progress = QUIET,
    rounds: Rounds[Trained] | None = None,
) -> Trained:
    """Learn from units x items, weights above 0; the best round where `rounds` asks.

    A pair is learned from once an epoch, however much it weighs; weights are those of the graph.
    One seed and one thread give the same bytes.

    Raises: DataError if there is no pair; Diverged.
    """
    if matrix.nnz == 0:
        raise DataError("no event weighs more than 0, so there is nothing to learn from")
    rounds = rounds or Rounds(None, setting.epochs)
    with (
        threadpool_limits(threads, "blas"),
        ThreadPoolExecutor(threads) as pool,
        progress.task("LightGCN", setting.epochs * matrix.nnz, "pairs") as task,
    ):
        learner = Learner(matrix, setting, Graph.of(matrix, pool, threads), seed)
        for epoch in range(setting.epochs):
            order = seeds.rng(seed, "lightgcn", "pairs", epoch).permutation(matrix.nnz)
            for start in range(0, len(order), setting.batch_size):
                which = order[start : start + setting.batch_size]
                loss = learner.step(which)
                if not loss < learner.worst:
                    raise _diverged(setting, epoch)
                task.advance(len(which), f"epoch {epoch + 1}/{setting.epochs}, loss {loss:.3f}")
            made = learner.export()
            if not _finite(made):
                raise _diverged(setting, epoch)
            rounds.after(epoch + 1, lambda made=made: made)  # type: ignore[misc]
        return rounds.end(lambda: made)


class Learner:
    """The table of a training: own vectors of units and items, those of layer 0."""

    def __init__(self, matrix: sp.csr_matrix, setting: Setting, graph: Graph, seed: int) -> None:
        self.matrix, self.setting, self.graph, self.seed = matrix, setting, graph, seed
        self.n_units, self.n_items = matrix.shape
        self.units = np.repeat(np.arange(self.n_units, dtype=np.int32), np.diff(matrix.indptr))
        self.items = matrix.indices.astype(np.int32)
        self.known = np.unique(self.items)
        self.pairs = np.sort(self._pairs(self.units, self.items))
        cosine = setting.loss.score == "cosine"  # which cannot blow up
        self.worst = math.inf if cosine else WORST * setting.guess
        random = seeds.rng(seed, "lightgcn", "start")
        n = self.n_units + self.n_items
        self.table = np.float32(SIZE) * random.standard_normal((n, setting.dim), np.float32)
        learned = np.diff(graph.edges.indptr) > 0
        learned[: self.n_units] &= setting.ids
        self.table[~learned] = 0
        self.means, self.squares = np.zeros_like(self.table), np.zeros_like(self.table)
        self.steps = 0

    def spread(self) -> Vectors:
        """The vectors of units and items: the mean of all layers."""
        layers = self.setting.layers
        over = self.graph.summed if self.setting.ids else self.graph.from_items
        return over(self.table, layers) / np.float32(layers + 1)

    def step(self, which: NDArray[np.int64]) -> float:
        """Learn from some pairs; their loss, without the regularization."""
        random, loss = seeds.rng(self.seed, "lightgcn", "step", self.steps), self.setting.loss
        if isinstance(loss, BPR):
            negatives = random.choice(self.known, len(which))
        else:
            n = min(loss.negatives, len(self.known))
            negatives = random.choice(self.known, n, replace=False, shuffle=False)
        with np.errstate(all="ignore"):  # who calls looks at the loss
            value, gradient = self.gradient(self.units[which], self.items[which], negatives)
        self.steps += 1
        tables, rate = (self.table, self.means, self.squares), self.setting.learning_rate
        for side in (self.graph.units, self.graph.items)[not self.setting.ids :]:
            self.graph.run(lambda a, b: adam(tables, gradient, self.steps, rate, a, b), side)
        return value

    def gradient(self, units: Rows, items: Rows, negatives: Rows) -> tuple[float, Vectors]:
        """The loss of pairs [batch], and its gradient with the regularization's, as the table.

        Only items' rows are of use where units have no vectors of their own.
        """
        setting, layers = self.setting, self.setting.layers
        rows = np.concatenate([units, self.n_units + items, self.n_units + negatives])
        final = self.spread()[rows]
        ends = unit(final) if setting.loss.score == "cosine" else final
        loss, *parts = self._loss(ends, units, items, negatives)
        pulls = np.concatenate(parts)
        if setting.loss.score == "cosine":
            pulls = through_unit(final, pulls)
        whole = np.zeros_like(self.table)
        add_rows(whole, rows, pulls / np.float32(layers + 1))
        back = self.graph.summed if setting.ids else self.graph.to_items
        gradient = back(whole, layers)
        share = np.float32(setting.regularization / len(units))
        add_rows(gradient, rows, share * self.table[rows])
        return loss, gradient

    def _loss(self, ends: Vectors, units: Rows, items: Rows, negatives: Rows) -> Gradients:
        batch, loss = len(units), self.setting.loss
        parts = ends[:batch], ends[batch : 2 * batch], ends[2 * batch :]
        if isinstance(loss, BPR):
            drawn = self._pairs(units, negatives)
            at = np.searchsorted(self.pairs, drawn)
            taken = self.pairs[np.minimum(at, len(self.pairs) - 1)] == drawn
            return bpr(*parts, taken)
        return softmax(*parts, items[:, None] == negatives, loss.temperature)

    def _pairs(self, units: Rows, items: Rows) -> NDArray[np.int64]:
        """A number for each pair."""
        return units.astype(np.int64) * self.n_items + items

    def export(self) -> Trained:
        """What is learned so far."""
        layers, first_item = self.setting.layers, self.n_units
        share = np.float32(1 / (layers + 1))
        outputs = self.spread()[first_item:]
        # the last step of Horner's rule is what users do with them
        before = self.graph.summed(self.table, layers - 1)[first_item:]
        inputs = share * scales(self.matrix, 0)[:, None] * before
        return Trained(inputs, outputs, share * self.table[:first_item])


def _finite(made: Trained) -> bool:
    """Whether all is, lengths too."""
    with np.errstate(all="ignore"):
        squares = (np.vdot(each, each) for each in (made.inputs, made.outputs, made.own))
        return all(np.isfinite(square) for square in squares)


def _diverged(setting: Setting, epoch: int) -> Diverged:
    return Diverged(
        f"training diverged in epoch {epoch + 1} at learning_rate {setting.learning_rate}: "
        "set it lower"
    )
