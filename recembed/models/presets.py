"""One good setting for each kind of log, and which kind a log is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recembed.data.interactions import Interactions
from recembed.registers import unknown

AUTO = "auto"  # the preset that suits the log
LONG = 50  # events of a mean user from which on histories tell enough by themselves
SEVERAL = 2  # events of a mean group from which on it is more than an event of its own


@dataclass(frozen=True)
class Preset:
    """A model and its hyperparameters by dotted name, as `--model` and `--set` take them."""

    about: str
    model: str
    values: Mapping[str, Any]

    def described(self) -> list[str]:
        """As people read it, a hyperparameter a line."""
        values = (f"{name} = {value!r}" for name, value in self.values.items())
        return [f"{self.model} for {self.about}", *values]


# Each chosen on the valid part of a public log of its kind; `bin/bench accuracy` says what it is
# worth on the test part.
PRESETS: dict[str, Preset] = {
    "dense": Preset(
        f"events in order, {LONG} or more a user",
        "two-tower",
        {
            "reach": 200,
            "older": True,
            "tower.dropout": 0.2006,
            "epochs": 28,
            "batch_size": 32,
            "learning_rate": 0.001743,
        },
    ),
    "sparse": Preset(
        f"events in order, fewer than {LONG} a user",
        "two-tower",
        {"tower.dropout": 0.5, "epochs": 40},
    ),
    "unordered": Preset(
        "events without order",
        "two-tower",
        {
            "tower": "mean",
            "tower.recency.decay": 1.0,
            "score": "cosine",
            "temperature": 0.1,
            "dim": 256,
            "reach": 500,
            "given": 0.4,
            "dropout": 0.2,
            "epochs": 32,
            "batch_size": 512,
            "learning_rate": 0.01,
            "average": 0.998,
        },
    ),
    "baskets": Preset(
        "several events a basket or session",
        "two-tower",
        {
            "unit": "group",
            "tower": "mean",
            "tower.recency.decay": 0.9881,
            "tower.recency.past": 0.1151,
            "habits.weight": 0.03539,
            "bias": True,
            "min_count": 5,
            "reach": 1000,
            "dropout": 0.1302,
            "epochs": 1,
            "batch_size": 512,
            "learning_rate": 0.001743,
            "schedule": "linear",
            "average": 0.99,
        },
    ),
}


def preset_of(name: str) -> Preset:
    """The preset of this name. Raises: DataError for an unknown one, with the nearest ones."""
    if name not in PRESETS:
        raise unknown("preset", name, (*PRESETS, AUTO))
    return PRESETS[name]


def suited(events: Interactions) -> tuple[str, str]:
    """The name of the preset for events like these, and why, in words."""
    if events.group is not None and len(events):
        mean = len(events) / len(np.unique(events.group))
        if mean >= SEVERAL:
            return "baskets", f"{mean:.1f} events a group"
    if events.order is None:
        return "unordered", "the log has neither times nor positions"
    mean = len(events) / max(int(np.count_nonzero(events.events.sizes)), 1)
    return ("dense" if mean >= LONG else "sparse"), f"{mean:.1f} events a user, in order"
