"""The rows of `bin/bench accuracy`: which models are trained on which data, with which settings.

Rows on the data of other benchmarks that those trained already are in accuracy_borrowed.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.evaluation_baselines_settings import SETTINGS as BASELINES
from benchmarks.harness import difference
from benchmarks.skipgram_items import SETTINGS as ITEM2VEC
from recembed.models import presets
from recembed.models.registry import estimator
from recembed.pipeline.demo import SETTINGS as DEMO
from recembed.settings import flat

SEEDS = (0, 1, 2)
ENSEMBLE = "ensemble"  # what stands where other rows have a model; its values are weights
RANDOM = ("als", "ials", "bpr", "item2vec", "lightgcn", "two-tower", ENSEMBLE)  # by chance
TOWER = "tower"  # the label of the rows that the bars are of
PRESETS = {  # of the tower on each log; that of Beauty is trained by another benchmark
    "ml1m": "dense",
    "ml100k": "dense",
    "beauty": "sparse",
    "cds": "unordered",
    "baskets": "baskets",
    "time-ml100k": "dense",
    "time-journey": "baskets",
}


@dataclass(frozen=True)
class Row:
    """A model with a setting on one data set; label: what tables and files call it."""

    data: str
    label: str
    model: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One where nothing is drawn by chance."""
        return SEEDS if self.model in RANDOM else SEEDS[:1]

    @property
    def setting(self) -> dict[str, Any]:
        """Every hyperparameter, those left as they are too."""
        if self.model != ENSEMBLE:
            return flat(estimator(self.model, self.values))
        theirs = {
            f"{row.label}.{key}": each
            for row in members(self.data)
            for key, each in row.setting.items()
        }
        return {f"weight.{name}": each for name, each in self.values.items()} | theirs

    @property
    def usual(self) -> dict[str, Any]:
        """The defaults."""
        return {} if self.model == ENSEMBLE else flat(estimator(self.model))


def preset_of(name: str) -> tuple[str, dict[str, Any]]:
    """The model of a preset of the product, and its values."""
    found = presets.preset_of(name)
    return found.model, dict(found.values)


def is_preset(name: str, setting: Mapping[str, Any]) -> bool:
    """Whether a setting, as JSON has it, is the preset's."""
    model, values = preset_of(name)
    own, usual = (flat(estimator(model, each)) for each in (values, {}))
    return difference(setting, own, usual) is None


# Chosen on the valid part; of EASE one value was tried there.
CDS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "item-knn": {"similarity": "bm25", "k1": 3.0, "b": 0.2, "neighbours": 400},
    "ease": {"regularization": 200.0},
    "als": {"dim": 512, "alpha": 40.0},
    "ials": {"dim": 256, "alpha0": 0.03, "regularization": 0.001},
    "bpr": {"dim": 256, "learning_rate": 0.1, "iterations": 200, "strength": 8.0},
    "item2vec": {
        "window": None,
        "recency.decay": 1.0,
        "epochs": 10,
        "negatives": 512,
        "exponent": 0.5,
    },
    "lightgcn": {"batch_size": 16384, "learning_rate": 0.02},
}
# Recency was chosen on the valid part, of ML-1M the size, too; fewer negatives save time.
LIGHTGCN: dict[str, dict[str, Any]] = {
    "beauty": {"loss.negatives": 512, "recency.decay": 0.5},
    "ml100k": {"recency.decay": 0.9},
    "ml1m": {
        "dim": 128,
        "batch_size": 16384,
        "learning_rate": 0.02,
        "loss.negatives": 512,
        "recency.decay": 0.4,
    },
}
BASKETS = ("popularity", "repeat", "item-knn", "als", "item2vec")
ML100K = {model: each["ml100k"] for model, each in BASELINES.items()}
ML100K |= {"item2vec": ITEM2VEC["chosen"]["ml100k"], "lightgcn": LIGHTGCN["ml100k"]}

WEIGHTS = {"ml100k": {TOWER: 1.0, "ease": 1.0, "transitions": 0.1}}


def members(data: str) -> tuple[Row, ...]:
    """The rows that an ensemble is made of, beside the transitions of last items."""
    tower = next(row for row in rows() if (row.data, row.label) == (data, TOWER))
    return tower, Row(data, "ease", "ease", BASELINES["ease"][data])


def rows() -> Iterator[Row]:
    """All there are."""
    own = [data for data in PRESETS if data != "beauty"]
    yield from (Row(data, TOWER, *preset_of(PRESETS[data])) for data in own)
    for data, values in LIGHTGCN.items():
        yield Row(data, "lightgcn", "lightgcn", values)
    for data, weights in WEIGHTS.items():
        yield Row(data, ENSEMBLE, ENSEMBLE, weights)
    for model, values in CDS.items():
        yield Row("cds", model, model, values)
    for model, values in ML100K.items():
        yield Row("time-ml100k", model, model, values)
    for data in ("baskets", "time-journey"):
        for model in BASKETS:
            yield Row(data, model, model, DEMO[model])
