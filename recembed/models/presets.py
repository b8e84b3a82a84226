"""One good setting for each kind of log, and which kind a log is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recembed.data.interactions import HABIT, Interactions
from recembed.errors import DataError
from recembed.registers import unknown

AUTO = "auto"  # the preset that suits the log
LONG = 50  # events of a mean user from which on histories tell enough by themselves
SEVERAL = 2  # events of a mean group from which on it is more than an event of its own
FEW = 2000  # users below which smaller models may lead: so they do with 943, not with 6,040


@dataclass(frozen=True)
class Preset:
    """A model and its hyperparameters by dotted name, as `--model` and `--set` take them.

    needs: what a log must have for it to mean anything.
    """

    about: str
    model: str
    values: Mapping[str, Any]
    needs: Literal["order", "group"] | None = None

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
        needs="order",
    ),
    "sparse": Preset(
        f"events in order, fewer than {LONG} a user",
        "two-tower",
        {"tower.dropout": 0.5, "epochs": 40},
        needs="order",
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
        "baskets or sessions of several events, where people come back for the same",
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
        needs="group",
    ),
}


def preset_of(name: str) -> Preset:
    """The preset of this name. Raises: DataError for an unknown one, with the nearest ones."""
    if name not in PRESETS:
        raise unknown("preset", name, (*PRESETS, AUTO))
    return PRESETS[name]


def suited(events: Interactions, repeats: bool) -> tuple[str, str]:
    """The name of the preset for events like these, and why, in words.

    repeats: whether items of a history may be listed again.
    """
    aside = ""
    if events.group is not None and len(events):
        mean, again = len(events) / len(np.unique(events.group)), _come_back(events, events.group)
        told = f"{mean:.1f} events a group, {again:.0%} known from an earlier one"
        if mean >= SEVERAL and again >= HABIT and repeats:
            return "baskets", told
        aside = f" ({told}{'' if repeats else ' and not listed again'}: no baskets)"
    if events.order is None:
        return "unordered", f"the log has neither times nor positions{aside}"
    mean = len(events) / max(events.n_active, 1)
    return ("dense" if mean >= LONG else "sparse"), f"{mean:.1f} events a user, in order{aside}"


def _come_back(events: Interactions, group: NDArray[np.int64]) -> float:
    """Share of what is in a group that its user has in another one before it."""
    pairs = events.events.owners().astype(np.int64) * events.n_items + events.rows
    order = np.lexsort([group, pairs])
    same = np.diff(pairs[order]) == 0
    other = np.diff(group[order]) != 0
    return float((same & other).sum() / (1 + (~same | other).sum()))


def check_suits(name: str, events: Interactions) -> None:
    """Raises: DataError if the log lacks what a preset is for."""
    needs = preset_of(name).needs
    if needs == "order" and events.order is None:
        raise DataError(
            f"preset {name} is for events in order, and this log has neither times nor positions: "
            "name their column (--columns time=COLUMN), take --file-order, or --preset unordered"
        )
    if needs == "group" and events.group is None:
        raise DataError(
            f"preset {name} is for groups, and this log has none: name their column (--columns "
            "group=COLUMN), or take --preset auto"
        )
