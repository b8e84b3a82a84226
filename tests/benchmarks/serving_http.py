"""A server under load: latency, reloads that nobody notices, and memory that stays.

Bars: http_p99_ms <= 20 at http_rps >= 400 (item2vec on Amazon Beauty, 12,101 items x 128, lists of
10, seen items left out, users in turns; one minute); reload_failed_requests <= 0 (200 reloads of a
link that moves between two runs, under that load); soak_growth_mib <= 20 (resident memory of the
server after ten minutes of load over what it was after one). The load comes from another process on
the same machine, see serving_load. http_rps is what was answered a second.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import Bar, BenchError, at_least, at_most, environment, say
from benchmarks.serving_runs import SCRATCH, beauty
from recembed.run.folder import Run
from recembed.run.log import load_log

LOAD = Path(__file__).with_name("serving_load.py")
RECEMBED = Path(sys.executable).with_name("recembed")
RATE, MINUTE, SOAK, RELOADS = 420, 60.0, 600.0, 200
PATIENCE = 30.0  # seconds until the server has to be there, or to have taken up a run
MIB = 2**20


def measure(quick: bool, repeat: bool) -> tuple[dict[str, float], list[Bar]]:
    """Load, then reloads under load, then the soak; one server for all of it."""
    runs = [beauty(seed) for seed in (0, 1)]
    paths = SCRATCH / "paths.txt"
    paths.write_text("\n".join(questions(runs[0])))
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        link = Path(folder) / "current"
        link.symlink_to(runs[0])
        with serving(link) as (server, port):
            load(port, paths, 5)  # what is compiled or opened once is there
            say("serving: a minute of load ...")
            told = load(port, paths, 5 if quick else MINUTE)
            say("serving: reloads under load ...")
            before = resident(server)
            reloads = reloaded(server, port, link, runs, paths, 5 if quick else RELOADS)
            reloads["growth"] = resident(server) - before
            say("serving: ten minutes of load ...")
            growth = soak(server, port, paths, 3 if quick else SOAK)
    figures = {
        "http_p50_ms": told["p50"],
        "http_worst_ms": told["worst"],
        "http_failed_requests": told["failed"],
        "reload_p99_ms": reloads["p99"],
        "reload_requests": reloads["requests"],
        "reload_growth_mib": reloads["growth"],
        "soak_mib": growth[1],
    }
    answered = (told["requests"] - told["failed"]) / told["seconds"]
    bars = [
        at_most("http_p99_ms", told["p99"], 20),
        at_least("http_rps", answered, 400),
        at_most("reload_failed_requests", reloads["failed"], 0),
        at_most("soak_growth_mib", growth[0], 20),
    ]
    return figures, [] if quick else bars


def questions(run: Path) -> list[str]:
    """A path for each of some thousand users."""
    users = load_log(Run.open(run))[0].interactions.users.ids.to_pylist()
    return [f"/recommend?user={user}&k=10" for user in users[:5_000]]


@contextmanager
def serving(link: Path) -> Iterator[tuple[psutil.Popen, int]]:
    """A server of the run behind a link, and its port."""
    with tempfile.TemporaryFile() as said:
        command = [str(RECEMBED), "serve", str(link), "--port", "0", "--watch", "5"]
        server = psutil.Popen(command, stdout=said, stderr=said, env=environment())
        try:
            yield server, listening(server)
        finally:
            server.terminate()
            server.wait(PATIENCE)


def listening(server: psutil.Popen) -> int:
    """The port that the server listens on, once it answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.is_running():
        for each in server.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and ready(each.laddr.port) is not None:
                return int(each.laddr.port)
        time.sleep(0.1)
    raise BenchError("the server does not answer")


def ready(port: int) -> dict[str, Any] | None:
    """What the server says of itself; None where it says nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except OSError:
        return None


def start(port: int, paths: Path, seconds: float) -> subprocess.Popen[bytes]:
    """A load under way."""
    command = [sys.executable, str(LOAD), str(port), str(RATE), str(seconds), str(paths)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())


def load(port: int, paths: Path, seconds: float) -> dict[str, Any]:
    """What came of a load."""
    return outcome(start(port, paths, seconds))


def outcome(under_way: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What came of it, once it has ended."""
    said, _ = under_way.communicate()
    if under_way.returncode != 0:
        raise BenchError("the load ended with an error")
    told: dict[str, Any] = json.loads(said)
    return told


def reloaded(
    server: psutil.Popen, port: int, link: Path, runs: list[Path], paths: Path, times: int
) -> dict[str, Any]:
    """What came of the load while the link moved so many times, each time until it was served."""
    names = [Run.open(run).identity for run in runs]
    under_way = start(port, paths, 3600)
    try:
        for turn in range(1, times + 1):
            beside = link.with_name("next")
            beside.symlink_to(runs[turn % 2])
            beside.rename(link)
            os.kill(server.pid, signal.SIGHUP)
            end = time.monotonic() + PATIENCE
            while (ready(port) or {}).get("identity") != names[turn % 2]:
                if time.monotonic() > end:
                    raise BenchError(f"reload {turn} was not served within {PATIENCE:.0f} s")
                time.sleep(0.02)
    finally:
        under_way.send_signal(signal.SIGTERM)
        told = outcome(under_way)
    return told


def soak(server: psutil.Popen, port: int, paths: Path, seconds: float) -> tuple[float, float]:
    """How many MiB the server grew after the first tenth of the load, and what it came to."""
    under_way = start(port, paths, seconds)
    time.sleep(seconds / 10)
    early = resident(server)
    outcome(under_way)
    late = resident(server)
    return late - early, late


def resident(server: psutil.Popen) -> float:
    """MiB of memory that the server holds."""
    return float(server.memory_info().rss / MIB)
