"""Both towers together: the loss of a batch, and what they come to in NumPy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recembed.arrays import Mask, Vectors
from recembed.training.content import Content
from recembed.training.examples import Batch
from recembed.training.habits import shares_of
from recembed.training.lengths import unit
from recembed.training.towers import losses
from recembed.training.towers.buckets import Histories
from recembed.training.towers.items import ItemTower, mapped
from recembed.training.towers.losses import Candidates, Raised, Targets
from recembed.training.towers.negatives import Negatives
from recembed.training.towers.settings import (
    BCE,
    GBCE,
    FullSoftmax,
    SampledSoftmax,
    Setting,
)
from recembed.training.towers.users import Packed, user_tower

SHARE = 64  # positions that share gBCE's negatives: with those of a whole batch it never settles

Rows64: TypeAlias = NDArray[np.int64]
Locate: TypeAlias = Callable[[NDArray[np.integer]], Rows64]


@dataclass(frozen=True, eq=False)
class Data:
    """What is trained on beside the examples.

    known bool [n_items]: trained items. counts int64 [n_items]: their events. content: of all
    items. users: user x (id or category), None where users are placed by their history alone.
    starts: rows that the last columns of content.sparse start from, [n, dim]; zeros: from chance.
    """

    known: Mask
    counts: NDArray[np.int64]
    content: Content
    users: sp.csr_matrix | None = None
    starts: Vectors | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of training, in NumPy.

    table [n_items, dim]: histories are read through it and, with bias [n_items], it is retrieved.
    known [n_items]: items that have a vector. tower: the user tower's arrays by name.
    users [n_users, dim]: what is added to a user's vector; None: nothing. sparse, dense: the maps
    of content that are part of the table, None where there is none. shares [n_items]: what each
    item is of all events, where habits are weighed against it.
    """

    table: Vectors
    known: Mask
    bias: Vectors | None
    tower: dict[str, Vectors]
    users: Vectors | None
    sparse: Vectors | None = None
    dense: Vectors | None = None
    shares: Vectors | None = None


class Towers(nn.Module):
    """Items and users in one space. Rows inside are those of the trained items, in their order."""

    def __init__(self, data: Data, setting: Setting) -> None:
        super().__init__()
        self.data, self.setting = data, setting
        self.rows = np.flatnonzero(data.known)
        self.compact = np.full(len(data.known), -1, np.int64)
        self.compact[self.rows] = np.arange(len(self.rows))
        self.negatives = Negatives.of(setting.loss, data.counts[self.rows])
        self.touched = setting.touches(len(self.rows))
        self.items = ItemTower(
            data.content.take(self.rows),
            setting.dim,
            setting.size,
            biased=setting.bias,
            id_dropout=setting.features.id_dropout,
            touched=self.touched,
            starts=data.starts,
        )
        self.shares = shares_of(np.where(data.known, data.counts, 0))
        if setting.habits and self.items.bias is not None:
            self.items.bias.data = torch.from_numpy(np.log(self.shares[self.rows]))
        self.tower = user_tower(setting.tower, setting.dim, setting.reach, every=setting.every)
        width = 0 if data.users is None else data.users.shape[1]
        self.users = nn.Parameter(torch.zeros(width, setting.dim))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.users.device

    def forward(self, batch: Batch, random: np.random.Generator) -> Tensor:
        """The mean loss of a target of the batch."""
        loss, target = self.setting.loss, self.compact[batch.targets.values]
        drawn = None if self.negatives is None else self.negatives.draw(target, random)
        n = len(target) if isinstance(loss, BCE) else 0
        if isinstance(loss, GBCE):
            n = loss.negatives * -(-len(target) // SHARE)
        others = random.integers(0, len(self.rows), n) if drawn is None else drawn.rows
        used, locate = self._used(batch, target, others)
        table = self.items(used)  # [n, dim]
        bias = self.items.biases(used)
        query, vectors = self._comparable(self._queries(batch, table, locate), table)
        rows = self._tensor(locate(target))
        owner = self._tensor(batch.targets.owners().astype(np.int64))

        def scores(of: Tensor) -> Tensor:  # of an item for each target, [n_targets]
            dots = (query[owner] * vectors[of]).sum(dim=1)
            return dots if bias is None else dots + bias[of]

        raised, own = self._raised(batch), scores(rows)
        if raised is not None and self.setting.habits:
            more = np.asarray(raised[batch.targets.owners(), target], np.float32).ravel()
            own = own + self._tensor(more)
        targets = Targets(owner, rows, own)
        if isinstance(loss, FullSoftmax):
            pairs = None if raised is None else self._pairs(raised)
            return losses.full_softmax(query, Candidates(vectors, bias, raised=pairs), targets)
        found = self._tensor(locate(others))
        if isinstance(loss, BCE):
            return losses.one_negative(targets, scores(found))
        shift = None if bias is None else bias[found]
        if isinstance(loss, GBCE):
            power = losses.calibrated(loss.negatives, len(self.rows), loss.calibration)
            candidates = Candidates(F.embedding(found, vectors), shift, found)
            return losses.logistic_in_groups(query, candidates, targets, power, SHARE)
        assert drawn is not None
        if drawn.correction is not None:
            correction = self._tensor(drawn.correction)
            shift = correction if shift is None else shift + correction
        pairs = None if raised is None else self._pairs(raised[:, others][batch.targets.owners()])
        candidates = Candidates(vectors[found], shift, found, pairs)
        hardest = loss.hardest if isinstance(loss, SampledSoftmax) else None
        return losses.sampled_softmax(query, candidates, targets, hardest)

    @torch.no_grad()
    def export(self) -> Trained:
        """As it is now."""
        self.eval()
        setting, content = self.setting, self.data.content
        table = np.zeros((len(self.compact), setting.dim), np.float32)
        known = self.data.known | content.known
        sparse, dense = (_array(each) if content else None for each in self.items.maps)
        if sparse is not None and dense is not None:
            table += content.mapped(sparse, dense)
        table[self.rows] += _array(self.items.ids)
        bias = None
        if self.items.bias is not None:
            bias = np.zeros(len(table), np.float32)
            bias[self.rows] = _array(self.items.bias)
            untouched = known & ~self.data.known
            bias[untouched] = bias[self.rows].mean()
        users = None if self.data.users is None else self.data.users @ _array(self.users)
        tower = {name: _array(each) for name, each in self.tower.named_parameters()}
        shares = self.shares if setting.habits else None
        return Trained(table, known, bias, tower, users, sparse, dense, shares)

    def _used(self, batch: Batch, target: Rows64, others: Rows64) -> tuple[Tensor | None, Locate]:
        """The rows that a step needs, None: all; and where an item is among them."""
        if isinstance(self.setting.loss, FullSoftmax):
            return None, lambda rows: rows.astype(np.int64)
        needed = np.zeros(len(self.rows), bool)
        for rows in (self.compact[batch.histories.rows], target, others):
            needed[rows] = True
        place = np.cumsum(needed) - 1
        return self._tensor(np.flatnonzero(needed)), lambda rows: place[rows]

    def _raised(self, batch: Batch) -> sp.csr_matrix | None:
        """What is added to the scores of each example [examples, trained items]; None: nothing.

        What the history has of the target's own group cannot come again.
        """
        given, shape = batch.given, (len(batch.given), len(self.rows))
        found = None
        if self.setting.habits:
            found = self.setting.habits.raises(batch.histories, self.shares)
            found = sp.csr_matrix((found.data, self.compact[found.indices], found.indptr), shape)
        if not len(given.values):
            return found
        ends = np.full(len(given.values), -np.inf, np.float32)
        barred = sp.csr_matrix((ends, self.compact[given.values], given.offsets), shape)
        barred.sum_duplicates()
        return barred if found is None else found + barred

    def _pairs(self, raised: sp.csr_matrix) -> Raised:
        pairs = raised.tocoo()  # by query, as rows of a csr matrix are
        query, candidate = (self._tensor(each.astype(np.int64)) for each in pairs.coords)
        return Raised(query, candidate, self._tensor(pairs.data))

    def _queries(self, batch: Batch, table: Tensor, locate: Locate) -> Tensor:
        """Vectors of all histories, or at all their events, [n_queries, dim]."""
        histories = Histories.of(batch.histories, self.setting.tower)
        # part of a group may come after a full past, whose oldest is then one group too old
        histories = replace(histories, age=histories.age.clip(max=self.setting.reach - 1))
        rows, kept = locate(self.compact[batch.histories.rows]), None
        if self.training and self.setting.dropout:
            kept = torch.rand(len(rows), device=self.device).ge(self.setting.dropout).float()
        packed = Packed.of(histories, rows, self.device, kept)
        query: Tensor = self.tower(table, packed)
        if self.data.users is not None:
            about = self._about(batch)
            query = query + (about[packed.owner] if self.setting.every else about)
        return query

    def _about(self, batch: Batch) -> Tensor:
        """What is known of the user of each history, [examples, dim]; left out by chance."""
        assert self.data.users is not None
        about = mapped(self.data.users[batch.users], self.users)
        if self.training and self.setting.users.dropout:
            about = about * (torch.rand_like(about[:, :1]) >= self.setting.users.dropout)
        return about

    def _comparable(self, query: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Both so that the score is their dot product."""
        if self.setting.score == "dot":
            return query, table
        return unit(query.to(table.dtype)) / self.setting.temperature, unit(table)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _array(parameter: Tensor) -> Vectors:
    array: Vectors = parameter.detach().cpu().numpy().copy()
    return array
