"""`bin/bench`: lists the benchmarks, or runs one, shows its figures and says which bars held."""

import argparse
import ast
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import Bar, BenchError, document, say
from recembed.errors import RecembedError

FOLDER = Path(__file__).parent


def main(arguments: Sequence[str]) -> int:
    """0: every bar held; 1: one fell short; 2: it could not be run."""
    parser = argparse.ArgumentParser(prog="bin/bench", description="without NAME: lists them")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--quick", action="store_true", help="the light parts, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    parser.add_argument("--repeat", action="store_true", help="more repeats, steadier figures")
    options = parser.parse_args(arguments)
    known = benchmarks()
    if options.name is None:
        for name, line in known.items():
            print(f"{name:<20} {line}")
        return 0
    name = options.name.replace("_", "-")
    if name not in known:
        say(f"no benchmark {options.name!r}; there are: {', '.join(known)}")
        return 2
    try:
        with stdout_to_stderr():
            run = importlib.import_module(f"benchmarks.{file_name(name)}").run
            figures, bars = run(quick=options.quick, repeat=options.repeat)
    except (BenchError, RecembedError) as error:
        say(f"{name}: {error}")
        return 2
    text = document(name, figures, bars)
    if not options.quick:
        (FOLDER / f"{file_name(name)}.json").write_text(text)
    print(text if options.json else table(figures, bars), end="")
    return 0 if all(bar.holds for bar in bars) else 1


def file_name(name: str) -> str:
    """A benchmark's module and the stem of its outcome."""
    return name.replace("-", "_")


def benchmarks() -> dict[str, str]:
    """The first docstring line of each module with a `run`, read without running any."""
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(each, ast.FunctionDef) and each.name == "run" for each in module.body):
            found[path.stem.replace("_", "-")] = (ast.get_docstring(module) or "").partition("\n")[
                0
            ]
    return found


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Whatever a benchmark, its libraries or its processes print goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def table(figures: Mapping[str, Any], bars: Sequence[Bar]) -> str:
    """Figures, then bars with their verdicts."""
    lines = [f"{name:<36} {shown(value):>12}" for name, value in figures.items()]
    for bar in bars:
        sign = ">=" if bar.side == "at_least" else "<="
        verdict = "held" if bar.holds else "fell short"
        lines.append(f"{bar.name:<36} {shown(bar.value):>12} {sign} {bar.bound:<8g} {verdict}")
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """A figure as a table shows it."""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
