"""The commands that make runs, and a report on them, again."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recembed.data.split import TEST, VALID
from recembed.models import registry
from recembed.protocols import Estimator
from recembed.run.folder import Run
from recembed.settings import change, flat, kinds

PLACES = {"items": "ITEMS", "users": "USERS"}  # tables, which stand elsewhere by now, as LOG does


def commands(
    runs: Iterable[Run], folders: Sequence[str], options: Mapping[str, Any]
) -> tuple[str, ...]:
    """One a line: a training a run, and its index, then the evaluation with its options.

    LOG, ITEMS and USERS are what was read; the log's fingerprint tells whether it is the same.
    """
    made = [words for run in runs for words in (_training(run), _index(run)) if words]
    made.append(["recembed", "evaluate", *folders, *_words(options)])
    return tuple(map(shlex.join, made))


def _training(run: Run) -> list[str]:
    facts = run.facts
    default = registry.estimator(facts["model"])
    made = registry.estimator(facts["model"], facts["setting"])
    cut, read = facts["split"], facts.get("read", {})
    options = {
        "out": run.folder,
        "model": facts["model"],
        "set": chosen(default, made),
        **{name: place if read.get(name) else None for name, place in PLACES.items()},
        "columns": [f"{role}={name}" for role, name in read.get("columns", {}).items()],
        **{name: read.get(name) for name in ("min_user", "min_item", "repeats")},
        "test": cut["test"],
        "valid": cut["valid"],
        "tune": facts["trained"] == VALID and "watched" not in facts,
        "early_stop": "watched" in facts,
        "refit": facts["trained"] > TEST,
        "file_order": cut["file_order"],
        "seen": "allow" if facts["repeats"] else "exclude",
        "split_seed": cut["seed"],
        "seed": facts["seed"],
        "threads": facts["threads"],
    }
    return ["recembed", "train", "LOG", *_words(options)]


def chosen(default: Estimator, made: Estimator) -> list[str]:
    """What differs from the defaults of the parts that were chosen, and which parts those are."""
    parts = kinds(made).items() - kinds(default).items()
    usual = flat(change(default, dict(parts)))
    values = {name: value for name, value in flat(made).items() if value != usual[name]}
    return [
        f"{name}={','.join(value) if isinstance(value, tuple) else value}"
        for name, value in {**dict(sorted(parts)), **values}.items()
    ]


def _index(run: Run) -> list[str]:
    index = run.facts.get("index")
    if not index:
        return []
    meta = index["meta"]
    options = {
        "kind": index["kind"],
        "target_recall": index.get("target_recall"),
        "k": index["audit"]["k"],
        **{name: meta[name] for name in ("size", "seed")},
    }
    return ["recembed", "index", str(run.folder), *_words(options)]


def _words(options: Mapping[str, Any]) -> list[str]:
    """Options as they are typed: a flag where True, nothing where None or False, each of a list."""
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is True:
                words.append(option)
            elif each is not None and each is not False:
                words += [option, str(each)]
    return words
