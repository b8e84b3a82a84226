"""The model of a run, and the ranker that evaluation and serving share."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from inspect import getattr_static
from typing import TYPE_CHECKING, TypeGuard, get_args

import numpy as np

from recembed.arrays import Mask
from recembed.data.log import Log
from recembed.data.split import TRAIN
from recembed.data.vocabulary import Vocabulary
from recembed.errors import DataError, RunError
from recembed.models.popularity import Popularity, PopularityModel
from recembed.models.ranker import VectorRanker, Without, with_fallback
from recembed.models.registry import restore
from recembed.models.text_items import ENCODER, FACT, TEXTS, ItemTexts
from recembed.protocols import (
    THIS_MACHINE,
    Arrays,
    Fitted,
    FittedVectors,
    Index,
    Machine,
    Ranker,
    VectorModel,
)
from recembed.run.folder import Run
from recembed.run.log import Parts, load_log
from recembed.search.delta import DeltaIndex
from recembed.search.exact import ExactIndex
from recembed.search.kinds import KINDS, IndexKind, opened

if TYPE_CHECKING:
    from recembed.text.encoder import Encoder

# The run's file of changes since training: rows that are no longer listed, and what the model's
# arrays lack of items that came later.
CHANGES, ADDED = "changes", "added."
# What answers are made of. All else in a run (reports, the places of every case) tells of them.
ANSWERING = ("events", "users", "items", "model", "index", CHANGES, ENCODER, TEXTS)


def ranker_of(
    run: Run,
    *,
    index: IndexKind | None = None,
    min_recall: float | None = None,
    machine: Machine = THIS_MACHINE,
    loaded: tuple[Log, Parts] | None = None,
) -> tuple[Ranker, Fitted]:
    """What answers for a run, in evaluation as in serving, and the model behind it.

    As `rankers_of`, for one index. min_recall: refuse one whose audit found less.
    """
    _check_recall(run, index, min_recall)
    (ranker,), model = rankers_of(run, (index,), machine=machine, loaded=loaded)
    return ranker, model


def rankers_of(
    run: Run,
    indices: Sequence[IndexKind | None],
    *,
    machine: Machine = THIS_MACHINE,
    loaded: tuple[Log, Parts] | None = None,
) -> tuple[list[Ranker], Fitted]:
    """What answers for a run through each index, and the one model behind them.

    Histories without any item that the model knows get popular items of the part that was trained
    on: the events whose part is below the fact "trained" (1, the train part, where it is not set).
    loaded: the run's log, where the caller has read it already.

    Raises: RunError if the run has no model, no such index, or an index of other vectors.
    """
    log, part = loaded or load_log(run)
    items = log.interactions.items
    model, texts = model_of(run, items, machine), texts_in(run)
    if texts is not None and has_vectors(model):
        model = texts.beside(model, machine)
    rankers = [_searching(run, model, index, machine) for index in indices]
    for ranker in rankers:
        if len(ranker.known) != len(items):
            raise RunError(
                f"the model in {run.folder} was trained on {len(ranker.known)} items, its log has "
                f"{len(items)}: train again"
            )
    removed = removed_items(run, len(items))
    if removed.any():
        rankers = [Without(ranker, removed) for ranker in rankers]
    if isinstance(model, PopularityModel):
        return rankers, model
    parts = run.facts.get("trained", TRAIN + 1)
    if type(parts) is not int or not (part < parts).any():
        raise RunError(f"{run.folder} was trained on nothing (trained: {parts!r}): train again")
    popular = Popularity().fit(log.keep(part < parts), machine=machine)
    return [with_fallback(ranker, popular) for ranker in rankers], model


def model_of(run: Run, items: Vocabulary, machine: Machine = THIS_MACHINE) -> Fitted:
    """What was trained, with the items that were added since.

    Raises: RunError if it is not whole.
    """
    try:
        name, setting = run.facts["model"], dict(run.facts["setting"])
        return restore(name, setting, items, model_arrays(run), machine)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunError(f"the model in {run.folder} is not whole ({error}): train again") from error


def texts_in(run: Run) -> ItemTexts | None:
    """What a run has of its items' texts, None where nothing was attached.

    Raises: RunError if that is not whole.
    """
    if not run.has(TEXTS):
        return None
    try:
        return ItemTexts.restore(run.arrays(TEXTS))
    except KeyError as error:
        raise RunError(
            f"the texts in {run.folder} are not whole ({error}): attach the encoder again"
        ) from error


def encoder_in(run: Run, machine: Machine = THIS_MACHINE) -> "Callable[[], Encoder]":
    """How to restore the encoder of a run's texts: what it needs of the run is open already."""
    from recembed.text.stored import restored

    return partial(restored, run, run.facts.get(FACT, {}), run.arrays(ENCODER), machine)


def model_arrays(run: Run) -> Arrays:
    """The model's arrays, with those of items that were added to the run."""
    arrays = run.arrays("model")
    if not run.has(CHANGES):
        return arrays
    changes = run.arrays(CHANGES)
    added = {name: changes[ADDED + name] for name in arrays if ADDED + name in changes}
    return arrays | {name: np.concatenate([arrays[name], more]) for name, more in added.items()}


def removed_items(run: Run, n_items: int) -> Mask:
    """Items that are no longer to be listed, [n_items]. Raises: RunError if there are no such."""
    removed = np.zeros(n_items, np.bool_)
    if run.has(CHANGES):
        try:
            removed[run.arrays(CHANGES)["removed"]] = True
        except (KeyError, IndexError) as error:
            raise RunError(f"{run.folder} has no such items removed ({error})") from error
    return removed


def has_vectors(model: Fitted) -> TypeGuard[FittedVectors]:
    """Whether a model is a vector model; its vectors are not made for that."""
    parts = ("items", "neighbours", "users")
    return all(getattr_static(model, part, None) is not None for part in parts)


def exact_ranker(model: Fitted, machine: Machine = THIS_MACHINE) -> Ranker:
    """What ranks by a model: its vectors through exact search, or the model itself."""
    if has_vectors(model):
        return VectorRanker(model, ExactIndex(model.items, machine))
    assert isinstance(model, Ranker)  # a Fitted is one of the two
    return model


def _searching(run: Run, model: Fitted, kind: IndexKind | None, machine: Machine) -> Ranker:
    if kind not in (None, *get_args(IndexKind)):
        raise DataError(f"no index {kind!r}; there is {', '.join(get_args(IndexKind))}")
    facts = run.facts.get("index")
    if kind in KINDS and not (facts and facts.get("kind") == kind):
        raise RunError(
            f"{run.folder} has no {KINDS[kind].label} index: build it with "
            f"`recembed index --kind {kind}`"
        )
    ranks = has_vectors(model) or isinstance(model, Ranker)
    if not ranks:
        raise RunError(f"the model in {run.folder} can rank nothing: train again")
    if facts is None or kind == "exact" or not has_vectors(model):
        return exact_ranker(model, machine)
    return VectorRanker(model, _approximate(run, model, machine))


def _check_recall(run: Run, kind: IndexKind | None, least: float | None) -> None:
    """Raise RunError if the index that would answer finds too little; exact search finds all."""
    facts = run.facts.get("index")
    if least is None or kind == "exact" or not facts:
        return
    recall = facts.get("audit", {}).get("recall", 0.0)
    if not recall >= least:
        raise RunError(
            f"the index of {run.folder} finds {recall:.3f} of the exact lists, less than the "
            f"{least:g} asked for: build it with `recembed index --target-recall {least:g}`"
        )


def _approximate(run: Run, model: VectorModel, machine: Machine) -> Index:
    """The index of the first known items that a run has, and beside it those added since."""
    facts, items = run.facts["index"], model.items
    try:
        meta, effort = facts["meta"], int(facts["effort"])
        added = np.cumsum(items.known) > int(meta["n"])
        built = replace(items, known=items.known & ~added)
        index = opened(run.path("index"), meta, built, effort, machine)
        return DeltaIndex.of(index, items, added, machine) if added.any() else index
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"the index in {run.folder} is not whole ({error}): index again") from error
