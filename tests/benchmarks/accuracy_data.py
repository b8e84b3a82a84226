"""What `bin/bench accuracy` asks: on each log, what may be trained on and which cases follow.

All items are ranked. People who are new, or of whose history a model knows no item, are given
popular items by every model, as in serving.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks import evaluation_baselines as baselines
from benchmarks.skipgram_corpora import shared
from recembed.arrays import PerCase
from recembed.data.columns import Columns
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import Part, split
from recembed.evaluation.answers import Measure, ask
from recembed.evaluation.cases import Cases, cases
from recembed.metrics.accuracy import ndcg, recall
from recembed.metrics.places import Places
from recembed.models.popularity import Popularity, PopularityModel
from recembed.models.ranker import with_fallback
from recembed.models.stored import exact_ranker
from recembed.pipeline import demo
from recembed.progress import QUIET
from recembed.protocols import Fitted, Machine, Ranker

DEPTH = baselines.DEPTH  # of the lists
METRICS = {"recall": recall, "ndcg": ndcg}


@dataclass(frozen=True)
class Data:
    """A log and how it is cut. source: a folder of the research data, or dataset:NAME.

    k: of its metrics. repeats: whether items of the history may be listed again. part: the column
    that says of each event whether it is for training or testing.
    """

    name: str
    source: str
    test: str
    valid: str
    k: int = 10
    repeats: bool = False
    part: str | None = None

    def cut(self, on: Part) -> tuple[Log, Cases]:
        """What may be trained on, and what is asked."""
        return _cut(self, on)

    def metrics(self, places: Places) -> dict[str, PerCase]:
        """`recall20` and `ndcg20`, say, of each case."""
        return {f"{name}{self.k}": of(places, self.k) for name, of in METRICS.items()}


@lru_cache(maxsize=2)
def _cut(data: Data, on: Part) -> tuple[Log, Cases]:
    source = data.source if data.source.startswith("dataset:") else shared(data.source)
    found = split(read_log(source, columns=Columns(part=data.part)), data.test, data.valid)
    return found.fitted(on), cases(found, on)


DATA: Mapping[str, Data] = {
    each.name: each
    for each in (
        *(Data(name, folder, "last:1", "last:1") for name, folder in baselines.DATA.items()),
        Data("cds", "amazon-cds", "given", "random:0.1", k=20, part="split"),
        Data("baskets", demo.DATA, demo.TEST, demo.VALID, repeats=True),
        Data("time-ml100k", "ml-100k", "time:0.1", "time:0.1"),
        Data("time-journey", demo.DATA, "time:0.1", "time:0.1", repeats=True),
    )
}


@dataclass(frozen=True, eq=False)
class Asked:
    """What may be trained on, what is asked of a part, and what people whom nobody knows get."""

    data: Data
    on: Part
    machine: Machine
    log: Log
    cases: Cases
    popular: PopularityModel

    @classmethod
    def of(cls, data: Data, on: Part, machine: Machine) -> "Asked":
        """Read and cut."""
        log, asked = data.cut(on)
        return cls(data, on, machine, log, asked, Popularity().fit(log))

    def places(self, model: Fitted | Ranker) -> Places:
        """Where the hidden items stand in a model's lists."""
        ranker = model if isinstance(model, Ranker) else exact_ranker(model, self.machine)
        if not isinstance(ranker, PopularityModel):
            ranker = with_fallback(ranker, self.popular)
        wanted = Measure(self.data.repeats, (DEPTH,))
        return ask(self.data.name, ranker, self.cases, wanted, None, QUIET).places

    def clusters(self) -> NDArray[np.int64]:
        """The number of the person whose each case is, [n_cases]."""
        return np.unique(self.cases.owner, return_inverse=True)[1]
