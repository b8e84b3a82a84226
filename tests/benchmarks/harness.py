"""What benchmarks are made of: bars, timings, peak memory, peers in their own environments."""

import hashlib
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from recembed.pipeline.doctor import memory, processor, usable_cores

ROOT = Path(__file__).resolve().parents[2]
LINES_OF_A_FAILURE = 15


class BenchError(RuntimeError):
    """The benchmark cannot be run here; the message says why, and there is no figure."""


@dataclass(frozen=True)
class Bar:
    """A figure and the least or the most that it may be."""

    name: str
    value: float
    bound: float
    side: Literal["at_least", "at_most"]

    @property
    def holds(self) -> bool:
        """Whether the figure is on the right side; NaN never is."""
        return self.value >= self.bound if self.side == "at_least" else self.value <= self.bound

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        value = None if math.isnan(self.value) else self.value  # JSON has no NaN
        return {"name": self.name, "value": value, self.side: self.bound, "holds": self.holds}


def at_least(name: str, value: float, bound: float) -> Bar:
    """A bar for what should be high."""
    return Bar(name, float(value), bound, "at_least")


def at_most(name: str, value: float, bound: float) -> Bar:
    """A bar for what should be low."""
    return Bar(name, float(value), bound, "at_most")


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def alternate(
    work: Mapping[str, Callable[[], object]], repeats: int, warm_up: bool = True
) -> dict[str, float]:
    """Median seconds of each, measured in turns so that a slow minute of the machine hits all.

    The order is reversed in every other round. warm_up: one unmeasured call each (imports, caches).
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    if warm_up:
        for call in work.values():
            call()
    for turn in range(repeats):
        for name in list(work)[:: -1 if turn % 2 else 1]:
            taken[name].append(seconds(work[name]))
    return {name: statistics.median(times) for name, times in taken.items()}


@dataclass(frozen=True)
class Ran:
    """What a process took. peak_gib: resident memory of it and its children at one moment."""

    seconds: float
    peak_gib: float
    said: str


def process(command: Iterable[str | Path], every: float = 0.05) -> Ran:
    """Run a command, look at its memory every so many seconds; BenchError if it fails."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        child = psutil.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=environment())
        peak, code = 0, None
        while code is None:
            peak = max(peak, _resident(child))
            try:
                code = child.wait(timeout=every)
            except psutil.TimeoutExpired:
                continue
        took = time.perf_counter() - begin
        output.seek(0)
        said = output.read().decode(errors="replace")
    _hold(words, code, said)
    return Ran(took, peak / 2**30, said)


def short_process(command: Iterable[str | Path]) -> None:
    """Run a command too short to be looked at while it runs; BenchError if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    _hold(words, done.returncode, done.stdout + done.stderr)


def environment() -> dict[str, str]:
    """As a user's shell has it: bytecode caches are written, whatever this process was told."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _hold(words: list[str], code: int, said: str) -> None:
    if code != 0:
        last = "\n".join(said.splitlines()[-LINES_OF_A_FAILURE:])
        raise BenchError(f"{' '.join(words)} ended with {code}:\n{last}")


def _resident(parent: psutil.Process) -> int:
    total = 0
    try:
        for each in (parent, *parent.children(recursive=True)):
            try:
                total += each.memory_info().rss
            except psutil.Error:
                continue  # it ended meanwhile
    except psutil.Error:
        return total
    return total


def peers(requirements: list[str]) -> Path:
    """The python of an environment with just these pinned packages, made once under .peers/."""
    loose = [each for each in requirements if "==" not in each]
    if loose:
        raise BenchError(f"peers are pinned, name==version; these are not: {', '.join(loose)}")
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sorted(requirements)}".encode()).hexdigest()
    name = re.sub(r"[^\w.]+", "-", requirements[0]) + "-" + digest[:8]
    folder = ROOT / ".peers" / name
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    if not stamp.exists():
        say(f"setting up peers: {', '.join(requirements)} ...")
        process([sys.executable, "-m", "venv", "--clear", folder])
        process([python, "-m", "pip", "install", *requirements])
        stamp.write_text("\n".join(requirements) + "\n")
    return python


def say(text: str) -> None:
    """One line of news; never on standard output, which belongs to the document."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the figures depend on; nothing that tells whose machine it is."""
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "memory_gib": round(memory() / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def commit() -> str | None:
    """The commit measured, with -dirty if tracked files differ from it; None outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def outdated(
    file: Path, setting: Mapping[str, Any], usual: Mapping[str, Any] | None = None
) -> str | None:
    """Why evidence, a JSON file, has to be made (again) with a setting; None if it stands.

    usual: the defaults, as in `difference`.
    """
    if not file.exists():
        return "has never been trained"
    found = difference(json.loads(file.read_text())["setting"], setting, usual or {})
    return None if found is None else f"was trained with {found}"


def difference(
    made: Mapping[str, Any], setting: Mapping[str, Any], usual: Mapping[str, Any]
) -> str | None:
    """The first value that a kept setting, as JSON has it, does not share with one of today.

    What a later commit can set besides is no difference as far as it is as `usual`, or not in it.
    """
    now, default = (json.loads(json.dumps(dict(each))) for each in (setting, usual))
    then = {key: default.get(key, value) for key, value in now.items()} | dict(made)
    odd = [key for key, value in then.items() if key not in now or now[key] != value]
    return f"{odd[0]} = {then[odd[0]]!r}, it is {now.get(odd[0])!r} now" if odd else None


def document(name: str, figures: Mapping[str, Any], bars: Iterable[Bar]) -> str:
    """All of a benchmark's outcome as one JSON document."""
    outcome = {
        "name": name,
        "commit": commit(),
        "machine": machine(),
        "figures": dict(figures),
        "bars": [bar.document() for bar in bars],
    }
    return json.dumps(outcome, indent=2, default=float, allow_nan=False) + "\n"
