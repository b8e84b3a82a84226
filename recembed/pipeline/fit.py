"""Fit a model into a run: watched where it is asked for, and kept where it ends early."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from recembed.data.log import Log
from recembed.data.split import Split
from recembed.errors import DataError, Diverged, Interrupted
from recembed.pipeline.objective import Objective, before_test
from recembed.progress import Progress
from recembed.protocols import Estimator, Fitted, Machine
from recembed.report.plain import to_plain
from recembed.run.folder import Run, writing
from recembed.run.log import Parts, store_log
from recembed.settings import as_dict
from recembed.training.rounds import Watched

M = TypeVar("M")
METRIC = "ndcg@10"  # that a watched training is judged by, as a search is unless told otherwise


@dataclass(frozen=True, eq=False)
class Watch:
    """Asks the cases of the valid part while a model trains; values: what it was worth."""

    objective: Objective
    values: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Split, *, repeats: bool, seed: int, machine: Machine) -> "Watch":
        """Raises: DataError if the valid part asks nothing."""
        known = before_test(parts)
        return cls(Objective.of(known, METRIC, repeats=repeats, seed=seed, machine=machine))

    def __call__(self, model: Fitted) -> float:
        """The metric."""
        self.values.append(self.objective.value(model))
        return self.values[-1]


def fit_into(
    out: str | Path,
    stored: tuple[Log, Parts],
    estimator: Estimator,
    facts: Mapping[str, Any],
    *,
    machine: Machine,
    progress: Progress,
    watch: Watch | None = None,
) -> Run:
    """Fit on the parts below facts["trained"] and write the run, with the whole log in it.

    Raises: Interrupted or Diverged after the run was written, where training ended before its time.
    """
    log, part = stored
    with writing(out, new=True) as writer:
        begin = time.perf_counter()
        known = log.keep(part < facts["trained"])
        with kept(machine):
            model, stopped = fitted(
                lambda: estimator.fit(
                    known,
                    validate=watch,
                    seed=facts["seed"],
                    machine=machine,
                    progress=progress,
                )
            )
        seconds = time.perf_counter() - begin
        store_log(writer, log, part)
        writer.arrays("model", model.arrays())
        course = _course(model, watch, estimator.name)
        writer.facts(
            {
                **facts,
                **course,
                "model": estimator.name,
                "setting": as_dict(estimator),
                "train_seconds": round(seconds, 3),
                "threads": machine.threads,
                "data": log.interactions.fingerprint(),
            }
        )
    if stopped is not None:
        raise type(stopped)(f"{stopped}; {out} has what was learned by then", model) from stopped
    if machine.checkpoint is not None:
        machine.checkpoint.unlink(missing_ok=True)  # the run has it all now
    values = course.get("watched", {}).get("values", [])
    seen = f", {METRIC} {max(values):.4f} on the valid part" if values else ""
    progress.say(f"{estimator.name} trained in {seconds:.1f} s{seen} -> {out}")
    return Run.open(out)


def fitted(fit: Callable[[], M]) -> tuple[M, Interrupted | Diverged | None]:
    """What was trained, and why its training ended before its time."""
    try:
        return fit(), None
    except (Interrupted, Diverged) as stopped:
        if stopped.model is None:
            raise
        return cast(M, stopped.model), stopped


@contextmanager
def kept(machine: Machine) -> Iterator[None]:
    """Says of a training that was interrupted where its state is."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if machine.checkpoint is None or not machine.checkpoint.exists():
            raise
        raise Interrupted(
            f"interrupted; {machine.checkpoint} keeps the state, the same call goes on from there"
        ) from stopped


def _course(model: Fitted, watch: Watch | None, name: str) -> dict[str, Any]:
    """How training went. Raises: DataError for a model that is not trained in rounds."""
    training = model.training if isinstance(model, Watched) else None
    facts = {} if training is None else {"training": to_plain(training)}
    if watch is None:
        return facts
    if training is None and not watch.values:
        raise DataError(f"{name} is not trained in rounds: leave early_stop out")
    values = watch.values if training is None else [value for _, value in training.looks]
    return {**facts, "watched": {"metric": METRIC, "values": to_plain(values)}}
