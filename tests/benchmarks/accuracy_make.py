"""Trains the rows of `bin/bench accuracy` that lack evidence, and tells what a setting is worth.

    export PYTHONPATH=tests
    .venv/bin/python -m benchmarks.accuracy_make make ['cds-*' ...] [--threads 2] [--device cuda]
    .venv/bin/python -m benchmarks.accuracy_make valid DATA MODEL [NAME=VALUE ...] [--seed 0]
    .venv/bin/python -m benchmarks.accuracy_make weights DATA
    .venv/bin/python -m benchmarks.accuracy_make table [DATA ...]
    .venv/bin/python -m benchmarks.accuracy_make plot

`make` takes patterns of DATA-LABEL-SEED and writes each seed when it is finished. MODEL of `valid`
is a row's label, whose setting is changed, or a model with its defaults; a training in rounds tells
its course. `weights` tells those of an ensemble on the valid part. `table` has the rows whose
evidence is there, as Markdown. `plot` draws nDCG@10 by seconds of training into accuracy.svg.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

from benchmarks.accuracy import outcomes, resamples
from benchmarks.accuracy_data import DATA, Asked
from benchmarks.accuracy_ensemble import choose, kept, together
from benchmarks.accuracy_evidence import fit, lacking, stem, write
from benchmarks.accuracy_plot import plot
from benchmarks.accuracy_settings import ENSEMBLE, WEIGHTS, Row, rows
from benchmarks.harness import say
from recembed.metrics.places import Places
from recembed.protocols import Fitted, Machine
from recembed.training.rounds import Watched


def make(row: Row, seed: int, here: Machine) -> None:
    """Train, ask and write."""
    asked = Asked.of(DATA[row.data], "test", here)
    model, spent = (together if row.model == ENSEMBLE else kept)(row, seed, asked)
    write(stem(row, seed), asked, asked.places(model), row, spent)


@dataclass
class Course:
    """Asks the cases while a model trains, and says what it is worth by then.

    spent: seconds of asking, which are no training.
    """

    asked: Asked
    begin: float = field(default_factory=time.perf_counter)
    spent: float = 0.0
    looks: int = 0

    def __call__(self, model: Fitted) -> float:
        """nDCG."""
        now = time.perf_counter()
        found = means(self.asked, self.asked.places(model))
        self.looks += 1
        say(f"look {self.looks}, {now - self.begin - self.spent:.0f} s: {told(found)}")
        self.spent += time.perf_counter() - now
        return found[f"ndcg{self.asked.data.k}"]


def means(asked: Asked, places: Places) -> dict[str, float]:
    """Each metric's mean over the cases."""
    return {name: float(each.mean()) for name, each in asked.data.metrics(places).items()}


def told(found: Mapping[str, float]) -> str:
    """In words."""
    return " ".join(f"{name} {value:.4f}" for name, value in found.items())


def valid(row: Row, seed: int, here: Machine) -> str:
    """What a setting is worth on the valid part; of a training in rounds, the best look."""
    asked = Asked.of(DATA[row.data], "valid", here)
    course = Course(asked)
    model, spent = fit(row, seed, asked, course)
    line = f"{told(means(asked, asked.places(model)))} seconds {spent.seconds - course.spent:.1f}"
    training = model.training if isinstance(model, Watched) else None
    if training is not None:
        line += f" epochs {training.epochs} of {training.of}"
    return line


def changed(data: str, name: str, values: Mapping[str, Any]) -> Row:
    """The row of this label with values set, or a model with its defaults and these.

    Another kind of a part has not the fields of the row's own: those are left out.
    """
    own = [row for row in rows() if (row.data, row.label) == (data, name)]
    row = own[0] if own else Row(data, name, name)
    kept = {key: each for key, each in row.values.items() if key.partition(".")[0] not in values}
    return replace(row, values=kept | dict(values))


def table(data: str) -> str:
    """The rows of a data set whose evidence is there, best first, as Markdown."""
    found = list(outcomes(all_=False)[data].values())
    if not found:
        return ""
    draws, names = resamples(found[0]), [*found[0].values]
    found.sort(key=lambda row: -float(row.values[names[-1]].mean()))
    lines = [f"| {data} | {' | '.join(names)} | seconds |", "|---" * (len(names) + 2) + "|"]
    for row in found:
        cells = [str(draws.interval(row.values[name])) for name in names]
        where = " (GPU)" if row.on_gpu else ""
        lines.append(f"| {row.label} | {' | '.join(cells)} | {row.seconds:,.3g}{where} |")
    return "\n".join(lines) + "\n"


def weights(data: str, here: Machine) -> str:
    """The best weights of an ensemble, best first."""
    found = sorted(choose(data, Asked.of(DATA[data], "valid", here)), reverse=True)
    lines = [
        f"ndcg10 {gain:.4f} {dict(zip(WEIGHTS[data], each, strict=True))}" for gain, each in found
    ]
    alone = next(line for line, (_, each) in zip(lines, found, strict=True) if not any(each[1:]))
    return "\n".join([*lines[:5], f"alone: {alone}"]) + "\n"


def main(arguments: list[str]) -> None:
    """`make`, `valid`, `weights`, `table` or `plot`."""
    options = _parser().parse_args(arguments)
    if options.verb == "plot":
        say(f"written: {plot()}")
        return
    if options.verb == "table":
        sys.stdout.write("\n".join(filter(None, map(table, options.data or DATA))))
        return
    here = Machine(threads=options.threads, device=options.device)
    if options.verb == "weights":
        sys.stdout.write(weights(options.data, here))
    elif options.verb == "valid":
        values = dict(each.split("=", 1) for each in options.values)
        row = changed(options.data, options.model, values)
        sys.stdout.write(valid(row, options.seed, here) + "\n")
    else:
        make_all(options.patterns, here)


def make_all(patterns: Iterable[str], here: Machine) -> None:
    """What lacks evidence and matches a pattern."""
    for row in rows():
        for seed in row.seeds:
            if not any(fnmatch(stem(row, seed), pattern) for pattern in patterns):
                continue
            wrong = lacking(row, seed)
            if wrong:
                say(f"{stem(row, seed)} {wrong} ...")
                make(row, seed, here)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="accuracy_make")
    verbs = parser.add_subparsers(dest="verb", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--threads", type=int, default=2)
    where.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    maker = verbs.add_parser("make", parents=[where], help="train what has no evidence")
    maker.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    asker = verbs.add_parser("valid", parents=[where], help="a setting on the valid part")
    asker.add_argument("data", choices=DATA)
    asker.add_argument("model")
    asker.add_argument("values", nargs="*", metavar="NAME=VALUE")
    asker.add_argument("--seed", type=int, default=0)
    weigher = verbs.add_parser("weights", parents=[where], help="of an ensemble")
    weigher.add_argument("data", choices=WEIGHTS)
    shower = verbs.add_parser("table", help="the rows whose evidence is there")
    shower.add_argument("data", nargs="*", metavar="DATA")
    verbs.add_parser("plot", help="accuracy by seconds of training")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
