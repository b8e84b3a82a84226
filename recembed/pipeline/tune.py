"""Search for a model's best setting on the valid part; the test part is cut away before."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from recembed.data.files import Source
from recembed.data.log import Log
from recembed.data.split import Split, split
from recembed.errors import DataError
from recembed.metrics.names import metric_at
from recembed.pipeline.objective import Objective, before_test, sampled
from recembed.pipeline.spaces import free
from recembed.pipeline.train import (
    check_seed,
    estimator_of,
    hold_order,
    machine_of,
    may_repeat,
    read,
    suiting,
)
from recembed.pipeline.trials import Attempt, Look, Trials, opened, optuna_module
from recembed.pipeline.tuned import Tuned
from recembed.progress import Progress
from recembed.protocols import Estimator, Fitted
from recembed.report.document import Search, Trial
from recembed.settings import Space, change, flat

BEST = "best.json"


def tune(
    log: Source | Log,
    out: str | Path,
    *,
    model: str | None = None,
    preset: str | None = None,
    trials: int = 30,
    timeout: float | None = None,
    metric: str = "ndcg@10",
    sample: float = 0.1,
    finalists: int = 3,
    set: Mapping[str, Any] | None = None,
    space: Mapping[str, str] | None = None,
    only: Collection[str] = (),
    test: str | None = "auto",
    valid: str | None = "auto",
    items: Source | None = None,
    users: Source | None = None,
    columns: Mapping[str, str] | None = None,
    min_user: int = 1,
    min_item: int = 1,
    repeats: Literal["keep", "collapse"] = "keep",
    seen: Literal["auto", "allow", "exclude"] = "auto",
    file_order: bool = False,
    split_seed: int = 0,
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    quiet: bool = False,
) -> Tuned:
    """Try settings of a model on LOG and write the best one to OUT/best.json, for `train`.

    Trials train on the train part of a sample of the users and are measured on its valid part,
    first the setting to begin with: the model's defaults, or those of a preset. What falls behind
    is given up. The best ones and the first are then trained on all users, and the best of these
    wins. Nothing reads the test part. The trials are kept in OUT: the same call goes on after it
    was stopped, and another number of `trials` counts those.

    model, preset: as in `train`. timeout: seconds after which no further trial begins. sample:
    share of the users, at least 1,000 of those the valid part asks about. finalists: how many of
    the best of a sample are trained on all users. set: hyperparameters that are fixed; tower=NAME
    chooses a part, whose own ones are searched. space: where to search others than the model does:
    "64,128", "0.01..0.1", "0.01..0.1:log". only: these alone are searched, of those with a space.
    The rest as in `train`.

    Raises: DataError for what is wrong with the log or the options, or if no trial came to an end;
    RunError if OUT has another search; MissingExtra without Optuna.
    """
    check_seed(seed)
    check_seed(split_seed)
    _check(trials, timeout, sample, finalists, metric)
    if test is None or valid is None:
        raise DataError("a search needs a test part to leave alone and a valid part: name rules")
    progress = Progress("quiet" if quiet else "auto")
    estimator = estimator_of(model, preset, set or {})
    if isinstance(only, str):
        raise DataError(f"only is a list of names: only={only.split(',')}")
    if estimator is not None:  # what is wrong with a space should not cost the reading of a log
        free(estimator, set or {}, space or {}, only)
    machine = machine_of(threads, device)
    optuna_module()  # without it, nobody should wait for the log
    data = read(
        log,
        items=items,
        users=users,
        columns=columns,
        min_user=min_user,
        min_item=min_item,
        repeats=repeats,
    )
    parts = split(data, test, valid, seed=split_seed, file_order=file_order)
    known = before_test(parts)
    if estimator is None:
        estimator, _, _ = suiting(known.log.interactions, set or {}, seen, progress)
    else:
        hold_order(known.log.interactions, preset, progress)
    model = estimator.name
    spaces, fixed = free(estimator, set or {}, space or {}, only)
    spaces = _of_use(spaces, parts, model, only)
    again = may_repeat(known.log.interactions, seen)
    few, share = sampled(known, sample, seed)

    def asking(some: Split) -> Objective:
        return Objective.of(some, metric, repeats=again, seed=seed, machine=machine)

    attempt = _attempt(estimator, asking(few))
    fingerprint = data.interactions.fingerprint()
    about = {
        "model": model,
        "metric": metric,
        "test rule": str(parts.test_rule),
        "valid rule": str(parts.valid_rule),
        "seed": str(seed),
        "split_seed": str(split_seed),
        "sample": str(sample),
        "log": fingerprint,
        "items": "none" if data.items is None else data.items.fingerprint(),
        "users": "none" if data.users is None else data.users.fingerprint(),
        "seen": seen,
        "file order": str(file_order),
        **{f"setting {name}": str(value) for name, value in flat(estimator).items()},
        **{f"space {name}": str(each) for name, each in spaces.items()},
    }
    with opened(Path(out), spaces, flat(estimator), about, seed) as study:
        _run(study, attempt, trials, timeout, progress)
        told = study.told()
        chosen = best(told)
        if not chosen:
            raise DataError(
                f"none of {len(told)} trials of {model} came to an end, the first: {study.why()}"
            )
        if share < 1:
            begun = [each for each in told[:1] if each not in chosen[:finalists]]
            chosen = _finals([*chosen[:finalists], *begun], estimator, asking(known), progress)
        found = Tuned(
            model=model,
            set={**fixed, **chosen[0].setting},
            metric=metric,
            value=chosen[0].value,
            test=str(parts.test_rule),
            valid=str(parts.valid_rule),
            split_seed=split_seed,
            data=fingerprint,
            search=Search(metric, share, told),
        )
        found.write(Path(out) / BEST)
    progress.say(f"{model}: {metric} {found.value:.4f} on the valid part -> {Path(out) / BEST}")
    return found


def _check(trials: int, timeout: float | None, sample: float, finalists: int, metric: str) -> None:
    for name, number in (("trials", trials), ("finalists", finalists)):
        if not isinstance(number, int) or number < 1:
            raise DataError(f"{name} is a whole number, 1 at least, not {number!r}")
    if timeout is not None and not timeout > 0:
        raise DataError(f"timeout is a number of seconds above 0, not {timeout}")
    if not 0 < sample <= 1:
        raise DataError(f"sample is a share of the users, above 0 and at most 1, not {sample}")
    metric_at(metric)


def _of_use(
    spaces: Mapping[str, Space], parts: Split, model: str, only: Collection[str]
) -> dict[str, Space]:
    """Those that matter for this log. Raises: DataError if one of `only` does not, or none does."""
    there = parts.log.interactions.columns()
    found = {name: space for name, space in spaces.items() if space.needs in (None, *there)}
    for name in only:
        if name not in found:
            column = spaces[name].needs
            raise DataError(
                f"{name} matters with a column {column} alone: name it (--columns {column}=COLUMN)"
            )
    if not found:
        raise DataError(
            f"nothing of {model} is to be searched here: name a space (--space NAME=LOW..HIGH)"
        )
    return found


def _attempt(estimator: Estimator, objective: Objective) -> Attempt:
    """A trial: worth what the model is at the end of its training, as `train` will leave it."""
    if "patience" in flat(estimator):  # looks that are for a search alone end no training
        estimator = change(estimator, {"patience": None})

    def attempt(values: dict[str, Any], look: Look) -> float:
        found: list[float] = []

        def validate(model: Fitted) -> float:
            found.append(objective.value(model))
            look(found[-1])
            return found[-1]

        model = objective.fit(change(estimator, values), validate)
        return found[-1] if found else objective.value(model)

    return attempt


def _run(
    study: Trials, attempt: Attempt, trials: int, timeout: float | None, progress: Progress
) -> None:
    """Trials until there are enough, or the time is over."""
    begin = time.monotonic()
    with progress.task("trials", trials, "trials") as task:
        task.advance(min(len(study), trials))
        while len(study) < trials:
            study.run(attempt)
            leader = best(study.told())
            task.advance(1, f"best {leader[0].value:.4f}" if leader else "none yet")
            if timeout is not None and time.monotonic() - begin > timeout:
                break


def _finals(
    finalists: Sequence[Trial], estimator: Estimator, objective: Objective, progress: Progress
) -> list[Trial]:
    """The finalists, trained and measured on all users, best first.

    Raises: DataError if none of them can be trained there.
    """
    ended, failed = [], []
    with progress.task("finals", len(finalists), "trainings") as task:
        for each in finalists:
            try:
                model = objective.fit(change(estimator, each.setting))
                ended.append(replace(each, value=objective.value(model)))
            except DataError as error:
                failed.append(error)
            task.advance(1)
    if not ended:
        raise failed[0]
    return best(ended)


def best(trials: Sequence[Trial]) -> list[Trial]:
    """Those that came to an end, best first."""
    ended = [each for each in trials if not math.isnan(each.value)]
    return sorted(ended, key=lambda each: -each.value)
