"""What a setting is worth: trained on the train part, asked the cases of the valid part."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recembed.arrays import Mask
from recembed.data.log import Log
from recembed.data.split import VALID, Split
from recembed.errors import DataError
from recembed.evaluation.answers import Measure, ask
from recembed.evaluation.cases import Cases, cases
from recembed.metrics.names import metric_at, per_case
from recembed.models.popularity import Popularity, PopularityModel
from recembed.models.ranker import with_fallback
from recembed.models.stored import exact_ranker
from recembed.progress import QUIET
from recembed.protocols import Estimator, Fitted, Machine, Ranker, Validate
from recembed.seed import rng

LEAST = 1000  # users whose cases are asked: with fewer, settings differ by chance


@dataclass(frozen=True, eq=False)
class Objective:
    """A log to train on, the cases that follow, and the metric that decides."""

    log: Log
    cases: Cases
    metric: str
    repeats: bool
    seed: int
    machine: Machine

    @classmethod
    def of(
        cls, parts: Split, metric: str, *, repeats: bool, seed: int, machine: Machine
    ) -> "Objective":
        """Raises: DataError if the valid part asks nothing."""
        asked = cases(parts, "valid", seed=seed)
        if not len(asked):
            raise DataError(f"{asked.rule} leaves no case to choose a setting by: choose another")
        return cls(parts.train, asked, metric, repeats, seed, machine)

    def fit(self, estimator: Estimator, validate: Validate | None = None) -> Fitted:
        """The model of a setting. Raises: DataError if training has no answer."""
        return estimator.fit(self.log, validate=validate, seed=self.seed, machine=self.machine)

    def value(self, model: Fitted) -> float:
        """The metric's mean over the cases, through exact search."""
        _, k = metric_at(self.metric)
        measure = Measure(self.repeats, (k,), self.metric, self.machine.memory)
        measure = measure.within(self.cases.n_items)
        answers = ask("model", self._ranker(model), self.cases, measure, None, QUIET)
        return float(per_case(measure.deciding, [answers.places]).mean())

    def _ranker(self, model: Fitted) -> Ranker:
        ranker = exact_ranker(model, self.machine)
        if isinstance(model, PopularityModel):
            return ranker
        return with_fallback(ranker, self._popular)

    @cached_property
    def _popular(self) -> PopularityModel:
        return Popularity().fit(self.log, machine=self.machine)


def before_test(parts: Split) -> Split:
    """Train and valid part alone: whoever has these cannot have seen the test part."""
    return _only(parts, parts.part <= VALID)


def sampled(parts: Split, share: float, seed: int) -> tuple[Split, float]:
    """About this share of the users with all their events, and the share it became.

    At least LEAST of the users that the valid part asks about are among them; the items stay.
    """
    asked = np.unique(cases(parts, "valid", seed=seed).owner)
    n = max(math.ceil(share * len(asked)), min(LEAST, len(asked)))
    if n == len(asked):
        return parts, 1.0
    owner, random = parts.log.interactions.events.owners(), rng(seed, "tune", "users")
    others = np.setdiff1d(owner, asked)
    m = round(n / len(asked) * len(others))
    chosen = [random.choice(asked, n, replace=False), random.choice(others, m, replace=False)]
    return _only(parts, np.isin(owner, np.concatenate(chosen))), n / len(asked)


def _only(parts: Split, mask: Mask) -> Split:
    return replace(parts, log=parts.log.keep(mask), part=parts.part[mask])
