"""Rows whose trainings other benchmarks keep: tuned baselines, item2vec, the tower of Beauty."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import evaluation_baselines as baselines
from benchmarks import skipgram_quality, two_tower_quality
from benchmarks.accuracy_data import DEPTH
from benchmarks.accuracy_evidence import Made
from benchmarks.accuracy_settings import TOWER
from benchmarks.evaluation_baselines import of_one_target
from recembed.arrays import Rows
from recembed.metrics.places import NEVER, Places

Reader = Callable[[], list[Made]]


def borrowed() -> Iterator[tuple[str, str, Reader]]:
    """Data, label, and how the evidence is read. Each raises: BenchError if it does not stand."""
    of = {(each.model, each.data): None for each in baselines.trainings()}
    for model, data in of:
        yield data, model, lambda model=model, data=data: _baseline(model, data)  # type: ignore[misc]
    for data in baselines.DATA:
        yield data, "item2vec", lambda data=data: _item2vec(data)  # type: ignore[misc]
    yield two_tower_quality.DATA, TOWER, _tower


def _baseline(model: str, data: str) -> list[Made]:
    same = [each for each in baselines.trainings() if (each.model, each.data) == (model, data)]
    found = [each.read() for each in same]
    return [_of_users(places["chosen"], seconds) for places, seconds in found]


def _item2vec(data: str) -> list[Made]:
    found = skipgram_quality.trainings()[data, "chosen"].read()
    return [_of_users(listed(each.places), each.seconds or np.nan) for each in found]


def _tower() -> list[Made]:
    found = [two_tower_quality.read(seed) for seed in two_tower_quality.SEEDS]
    return [_of_users(places, told["seconds"], told["setting"]) for places, told in found]


def _of_users(places: Places, seconds: float, setting: dict[str, Any] | None = None) -> Made:
    """A case a user."""
    return Made(places, np.arange(len(places)), seconds, setting=setting)


def listed(ranks: Rows) -> Places:
    """Places from 1 (-1: not ranked at all), as far as lists reach."""
    near = (ranks > 0) & (ranks <= DEPTH)
    return of_one_target(np.where(near, ranks - 1, NEVER).astype(np.int32), np.ones_like(ranks))
