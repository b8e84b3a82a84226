import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from recembed.protocols import Machine
from recembed.recommender import Recommender
from recembed.serving.limits import Limits
from recembed.serving.live import Live
from recembed.serving.meters import Meters
from recembed.serving.routes import app_of


def load(run):
    return Recommender.load(run, machine=Machine(threads=1))


def live_of(run):
    return Live(run, lambda: load(run), Meters())


@pytest.fixture(scope="session")
def serve():
    """A client of a run that is served in this process."""
    pools = []

    def client(run, key=None, pool=None, live=None, **limits):
        pools.append(pool or ThreadPoolExecutor(1))
        app = app_of(live or live_of(run), Limits(**limits), key, pools[-1])
        return TestClient(app, raise_server_exceptions=False)

    yield client
    for pool in pools:
        pool.shutdown()


@pytest.fixture(scope="session")
def run(made):
    return made("item2vec")


@pytest.fixture(scope="session")
def recommender(run):
    return load(run)


@pytest.fixture(scope="session")
def client(serve, run):
    return serve(run)


class Server:
    """`recembed serve` in a process of its own."""

    def __init__(self, process, log, port):
        self.process, self.log, self.port = process, log, port

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.read().decode()

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    @property
    def said(self):
        return self.log.read_text()


def wait(truth, what, seconds=60):
    """What `truth` says once it is true."""
    for _ in range(int(seconds / 0.05)):
        found = truth()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


@pytest.fixture(scope="session")
def waited():
    """Ask again and again until it is true: what it is then."""
    return wait


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """Start `recembed serve` with these arguments; ended with the block."""

    @contextmanager
    def start(*arguments, **environment):
        log = tmp_path_factory.mktemp("server") / "log"
        command = [sys.executable, "-c", "from recembed.cli import main; main()", "serve"]
        with log.open("w") as out:
            process = subprocess.Popen(
                [*command, *map(str, arguments), "--port", "0"],
                stderr=out,
                stdout=out,
                env={**os.environ, **environment},
            )

        def port():
            assert process.poll() is None, log.read_text()
            said = log.read_text()
            return "http://" in said and said.split("http://")[1].split()[0].split(":")[1]

        try:
            yield Server(process, log, int(wait(port, "the server")))
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    return start


@pytest.fixture
def link(tmp_path):
    """A link to a run, and how it is moved to another one at once."""

    def to(run, name="current"):
        fresh = tmp_path / "fresh"
        fresh.symlink_to(run)
        fresh.replace(tmp_path / name)
        return tmp_path / name

    return to


@pytest.fixture
def broken(made, tmp_path):
    """A run of which a file was cut short."""
    run = shutil.copytree(made("als"), tmp_path / "broken")
    largest = max(run.glob("*.safetensors"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    return run
