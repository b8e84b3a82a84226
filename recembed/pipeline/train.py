"""Train a model on a log and store it as a run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recembed.data.columns import Columns
from recembed.data.files import Source
from recembed.data.interactions import HABIT, Interactions
from recembed.data.log import Log
from recembed.data.read import read_log
from recembed.data.split import LATER, TEST, VALID, Split, split
from recembed.errors import DataError, many
from recembed.models import registry
from recembed.models.presets import AUTO, FEW, check_suits, preset_of, suited
from recembed.pipeline.fit import Watch, fit_into
from recembed.pipeline.tuned import Tuned
from recembed.progress import Progress
from recembed.protocols import Estimator, Machine
from recembed.report.plain import to_plain
from recembed.run.folder import Run
from recembed.run.log import check_replaced
from recembed.settings import change

MODEL = "item2vec"
EVERYTHING = LATER + 1
SEEDS = 1 << 32  # NumPy's older generators, which implicit draws from, take no more


def train(
    log: Source | Log,
    out: str | Path,
    *,
    model: str | None = None,
    preset: str | None = None,
    set: Mapping[str, Any] | None = None,
    settings: str | Path | None = None,
    test: str | None = "auto",
    valid: str | None = None,
    tune: bool = False,
    early_stop: bool = False,
    refit: bool = False,
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
    checkpoint: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Read LOG, hold a part out, train on the rest, and write the run folder OUT.

    log: a file, a folder of Parquet, a frame, a table, "dataset:NAME", or a Log that was read
    (then the options that read one do nothing). model: item2vec unless named. preset: a model and
    its setting by the kind of log that they are for; auto: for a log like this one. settings: the
    file that `tune` wrote, whose model and setting these are. set: hyperparameters by dotted name,
    over those of a preset or of settings. test, valid: rules of data.rules, None holds nothing out.
    The model trains on all but the test part; tune: leave the valid part out too, to be evaluated
    on it; early_stop: leave it out and ask its cases while training, whose best round is kept
    (ndcg@10); refit: train on the whole log, for serving. seen: whether items of a history may be
    recommended again; auto: if at least 5 % of the log's events repeat an earlier one. split_seed:
    of what is held out by chance, apart from `seed`, so that models trained with several seeds
    answer the same cases. checkpoint: a file that keeps the state of training; the same call goes
    on from there after it was stopped.

    Raises: DataError for what is wrong with the log or the options; RunError for the folder;
    Interrupted or Diverged where training ended before its time, and the run has what it learned.
    """
    check_seed(seed)
    check_seed(split_seed)
    check_replaced(out, "items")
    progress = Progress("quiet" if quiet else "auto")
    tuned = None if settings is None else Tuned.read(settings)
    estimator = estimator_of(model, preset, set or {}, tuned)
    machine = machine_of(threads, device, checkpoint)
    _check_parts(test, valid, refit=refit, tune=tune, early_stop=early_stop)
    how: dict[str, Any] = {
        "columns": dict(columns or {}),
        "min_user": min_user,
        "min_item": min_item,
        "repeats": repeats,
    }
    data = read(log, items=items, users=users, **how)
    data = data.in_file_order() if file_order else data
    parts = (
        None if test is None else split(data, test, valid, seed=split_seed, file_order=file_order)
    )
    if estimator is None:
        known = data if parts is None else data.keep(parts.part < TEST)
        estimator, preset, why = suiting(known.interactions, set or {}, seen, progress)
    else:
        why = "asked for"
        hold_order(data.interactions, preset, progress)
    if machine.checkpoint is not None and not estimator.resumes:
        raise DataError(f"{estimator.name} keeps no checkpoint: leave it out")
    facts = {
        "split": None if parts is None else _described(parts, file_order),
        "repeats": may_repeat(data.interactions, seen),
        "read": {**how, "items": items is not None, "users": users is not None},
        **({} if tuned is None else _searched(tuned)),
        **({} if preset is None else {"preset": {"name": preset, "why": why}}),
    }
    part = np.zeros(len(data.interactions), np.uint8) if parts is None else parts.part
    # the parts below it are trained on
    apart = tune or early_stop
    trained = EVERYTHING if refit or parts is None else VALID if apart else TEST
    watch = None
    if early_stop and parts is not None:
        watch = Watch.of(parts, repeats=facts["repeats"], seed=seed, machine=machine)
    run = fit_into(
        out,
        (data, part),
        estimator,
        facts | {"trained": trained, "seed": seed},
        machine=machine,
        progress=progress,
        watch=watch,
    )
    if parts is not None and not refit:
        progress.say(f"held out by {parts.stated('test')}: {parts.counts['test_events']:,} events")
    return run


def read(
    log: Source | Log,
    *,
    items: Source | None,
    users: Source | None,
    columns: Mapping[str, str] | None,
    min_user: int,
    min_item: int,
    repeats: Literal["keep", "collapse"],
) -> Log:
    """The log that a verb is given, read where it is not yet."""
    if isinstance(log, Log):
        return log
    return read_log(
        log,
        items=items,
        users=users,
        columns=change(Columns(), columns or {}, "column role"),
        min_user=min_user,
        min_item=min_item,
        repeats=repeats,
    )


def estimator_of(
    model: str | None, preset: str | None, set: Mapping[str, Any], tuned: Tuned | None = None
) -> Estimator | None:
    """Of a model (item2vec unless named), a preset or settings that were found, with `set` on top.

    None where the preset is auto, which `suiting` chooses: a typo should not cost reading a log.

    Raises: DataError for an unknown name or value, or for a preset beside a model.
    """
    if preset is not None and (model is not None or tuned is not None):
        raise DataError(
            "a preset names the model and its setting: leave --model and --settings out"
        )
    if preset is not None:
        return None if preset == AUTO else _of_preset(preset, set)
    if tuned is None:
        return registry.estimator(model or MODEL, set)
    if model not in (None, tuned.model):
        raise DataError(f"the settings are of {tuned.model}, not of {model}: leave --model out")
    return change(registry.estimator(tuned.model, tuned.set), set)


def suiting(
    events: Interactions,
    set: Mapping[str, Any],
    seen: Literal["auto", "allow", "exclude"],
    progress: Progress,
) -> tuple[Estimator, str, str]:
    """That of the preset for these events, the preset's name, and why; which is said."""
    preset, why = suited(events, events.group is not None and may_repeat(events, seen))
    progress.say(f"preset {preset}: {why}")
    if events.n_active < FEW and preset != "baskets":
        progress.say(f"{many(events.n_active, 'user')} are few: als may lead, train it, too")
    return _of_preset(preset, set), preset, why


def hold_order(events: Interactions, preset: str | None, progress: Progress) -> None:
    """Say that events have no order. Raises: DataError if they lack what a named preset is for."""
    if preset is not None:
        check_suits(preset, events)
    elif events.order is None:
        progress.say(
            "events have no order: --columns time=COLUMN names times, --file-order takes the file's"
        )


def _of_preset(name: str, set: Mapping[str, Any]) -> Estimator:
    known = preset_of(name)
    return change(registry.estimator(known.model, known.values), set)


def _check_parts(test: str | None, valid: str | None, *, refit: bool, **apart: bool) -> None:
    """apart: reasons to train without the valid part."""
    if test is None and valid is not None:
        raise DataError(f"the valid part {valid} is cut beside a test part: name its rule too")
    for name, wanted in apart.items():
        if wanted and valid is None:
            raise DataError(f"{name} needs a valid part: name its rule (--valid auto)")
        if wanted and refit:
            raise DataError(f"{name} leaves the valid part out, refit nothing: choose one")


def check_seed(seed: int) -> None:
    """Raises: DataError for a seed that not all generators take."""
    if not 0 <= seed < SEEDS:
        raise DataError(f"seed is a whole number from 0 to {SEEDS - 1}, not {seed}")


def machine_of(
    threads: int | None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    checkpoint: str | Path | None = None,
) -> Machine:
    """What a verb may use: all cores unless `threads` says otherwise."""
    if device not in ("auto", "cpu", "cuda"):
        raise DataError(f"device is 'auto', 'cpu' or 'cuda', not {device!r}")
    if threads is not None and threads < 1:
        raise DataError(f"threads must be at least 1, not {threads}")
    machine = Machine(device=device, checkpoint=None if checkpoint is None else Path(checkpoint))
    return machine if threads is None else replace(machine, threads=threads)


def may_repeat(events: Interactions, seen: Literal["auto", "allow", "exclude"]) -> bool:
    """Whether items of a history may be listed again."""
    if seen not in ("auto", "allow", "exclude"):
        raise DataError(f"seen is 'auto', 'allow' or 'exclude', not {seen!r}")
    return events.repeat_rate() >= HABIT if seen == "auto" else seen == "allow"


def _searched(tuned: Tuned) -> dict[str, Any]:
    """How the setting was found, and on which parts of which log."""
    cut = {name: getattr(tuned, name) for name in ("data", "test", "valid", "split_seed")}
    return {"search": to_plain(tuned.search), "tuned": cut}


def _described(parts: Split, file_order: bool) -> dict[str, Any]:
    return {
        "test": str(parts.test_rule),
        "valid": None if parts.valid_rule is None else str(parts.valid_rule),
        "seed": parts.seed,
        "file_order": file_order,
        "counts": parts.counts,
        "moments": dict(parts.moments),
    }
