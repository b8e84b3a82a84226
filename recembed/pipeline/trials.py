"""Trials of settings through Optuna, kept in a file that a killed search goes on from."""

import fcntl
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recembed.errors import DataError, MissingExtra, RunError
from recembed.report.document import Trial
from recembed.seed import rng
from recembed.settings import Choices, Space

DATABASE, LOCK, NAME = "search.db", ".search.lock", "recembed"
WHY = "why"  # a trial failed; one without was under way when the search was killed
LEARN, WARM = 5, 2  # trials that none is pruned before, and looks at a trial before it may be

Look = Callable[[float], None]
Attempt = Callable[[dict[str, Any], Look], float]


class Trials:
    """The trials of one search; `first` is the setting that it begins with."""

    def __init__(
        self, study: Any, spaces: Mapping[str, Space], first: Mapping[str, Any], seed: int
    ) -> None:
        """Use `opened`."""
        self._study, self._spaces, self._seed = study, spaces, seed
        self._first = {name: first[name] for name, space in spaces.items() if first[name] in space}

    def __len__(self) -> int:
        """Trials that came to an end, be it a bad one."""
        return len(self._ended())

    def run(self, attempt: Attempt) -> None:
        """One more trial. attempt: what a setting is worth; it may `look` at values on the way.

        A setting that cannot be trained is a failed trial. What is drawn depends on the seed and
        the trials before alone, so a search that was stopped and went on is like one that was not.
        """
        import optuna

        at = len(self)
        draw = int(rng(self._seed, "tune", "trial", at).integers(2**31))
        self._study.sampler = optuna.samplers.TPESampler(seed=draw)
        if at == 0 and not self._of("WAITING"):
            self._study.enqueue_trial(self._first)
        trial = self._study.ask({name: _distribution(each) for name, each in self._spaces.items()})
        looks: list[float] = []

        def look(value: float) -> None:
            trial.report(value, len(looks))
            looks.append(value)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            self._study.tell(trial, attempt(self._values(trial), look))
        except optuna.TrialPruned:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except DataError as error:
            trial.set_user_attr(WHY, str(error))
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def told(self) -> tuple[Trial, ...]:
        """All of them, in their order."""
        return tuple(
            Trial(
                float("nan") if each.state.name != "COMPLETE" else each.value,
                {"COMPLETE": "complete", "PRUNED": "pruned"}.get(each.state.name, "failed"),
                round(each.duration.total_seconds(), 3),
                self._values(each),
            )
            for each in self._ended()
        )

    def why(self) -> str:
        """What the first failed trial said."""
        return next(str(each.user_attrs[WHY]) for each in self._ended() if WHY in each.user_attrs)

    def _values(self, trial: Any) -> dict[str, Any]:
        return {name: _shown(value, self._spaces[name]) for name, value in trial.params.items()}

    def _ended(self) -> list[Any]:
        failed = [each for each in self._of("FAIL") if WHY in each.user_attrs]
        return sorted([*self._of("COMPLETE", "PRUNED"), *failed], key=lambda each: each.number)

    def _of(self, *states: str) -> list[Any]:
        trials = self._study.get_trials(deepcopy=False)
        return [each for each in trials if each.state.name in states]


@contextmanager
def opened(
    folder: Path,
    spaces: Mapping[str, Space],
    first: Mapping[str, Any],
    about: Mapping[str, str],
    seed: int,
) -> Iterator[Trials]:
    """The search in `folder`, begun or gone on with.

    about: what it is a search of; one of something else is not gone on with.

    Raises: MissingExtra without Optuna; RunError if the folder has another search, one that another
    process is at, or a file that is none.
    """
    optuna = optuna_module()
    file = folder / DATABASE
    with _alone(folder), _database(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's advice is for those who write its code
        # the path goes around the URL, where ? and % have a meaning
        engine = {"creator": lambda: sqlite3.connect(file, check_same_thread=False)}
        storage = optuna.storages.RDBStorage("sqlite:///search.db", engine_kwargs=engine)
        try:
            study = _study(storage)
            ended = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
            if study.user_attrs.get("about") not in (None, about) and not ended:
                optuna.delete_study(study_name=NAME, storage=storage)  # nothing came of it
                study = _study(storage)
            _check_same(folder, study, about)
            for each in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
                study.tell(each.number, state=optuna.trial.TrialState.FAIL)
            yield Trials(study, spaces, first, seed)
        finally:
            storage.engine.dispose()


def _study(storage: Any) -> Any:
    import optuna

    return optuna.create_study(
        storage=storage,
        study_name=NAME,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(LEARN, WARM),
        load_if_exists=True,
    )


def optuna_module() -> Any:
    """Optuna, which says nothing of its own. Raises: MissingExtra if it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("tune", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _check_same(folder: Path, study: Any, about: Mapping[str, str]) -> None:
    there = study.user_attrs.get("about")
    if there is None:
        study.set_user_attr("about", dict(about))
        return
    for name in (*about, *there):
        was, now = (each.get(name, "not told") for each in (there, about))
        if was != now:
            raise RunError(
                f"{folder} has a search with {name} {was}, this one has {now}: name another "
                "folder, or ask for the same"
            )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else searches in `folder`, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{folder} is no folder: name another") from error
    except BlockingIOError as error:
        raise RunError(
            f"another process is searching in {folder}: wait until it is done"
        ) from error


@contextmanager
def _database(file: Path) -> Iterator[None]:
    """Turns what the database refuses into one line."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        why = (str(error.__cause__ or error).splitlines() or ["no reason given"])[0]
        raise RunError(f"{file} cannot be used as a search: {why}; name another folder") from error


def _distribution(space: Space) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(space, Choices):
        return CategoricalDistribution(space.values)
    if space.whole:
        return IntDistribution(int(space.low), int(space.high), log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)


def _shown(value: Any, space: Space) -> Any:
    """A number as people write it, four figures, and no further out than the space reaches."""
    if isinstance(space, Choices) or space.whole:
        return value
    return min(max(float(f"{value:.4g}"), space.low), space.high)
