"""What `bin/bench serving` is made of: its load, its runs, its two sides of a batch."""

import asyncio
import importlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from recembed.recommender import Recommender

TESTS = Path(__file__).parent
SCRIPT = TESTS / "benchmarks" / "serving_load.py"


@pytest.fixture
def part(monkeypatch):
    """A module of the benchmark by the rest of its name."""
    monkeypatch.syspath_prepend(str(TESTS))
    return lambda name: importlib.import_module(f"benchmarks.serving_{name}")


class Slow(BaseHTTPRequestHandler):
    """200 for /ok, 503 for the rest; /late stalls once for everybody."""

    protocol_version = "HTTP/1.1"
    stalled = threading.Lock()
    stalls = 1

    def do_GET(self):
        with self.stalled:
            if self.path == "/late" and Slow.stalls:
                Slow.stalls = 0
                threading.Event().wait(0.5)
        self.send_response(200 if self.path in ("/ok", "/late") else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def load(port, paths, tmp_path, rate=100, seconds=1):
    file = tmp_path / "paths"
    file.write_text("\n".join(paths))
    command = [sys.executable, SCRIPT, port, rate, seconds, file]
    done = subprocess.run(list(map(str, command)), capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_a_load_counts_what_was_answered_and_what_was_not(port, tmp_path):
    told = load(port, ["/ok", "/broken"], tmp_path)
    assert told["requests"] == 100
    assert told["failed"] == 50
    assert told["seconds"] >= 0.95
    assert 0 < told["p50"] <= told["p99"] <= told["worst"]


def test_a_stall_counts_for_all_that_were_due_meanwhile(port, tmp_path):
    Slow.stalls = 1
    told = load(port, ["/late"], tmp_path)
    assert told["failed"] == 0
    assert told["worst"] > 400
    assert told["p99"] > 400  # not one slow request, but each that was due in that half second


def test_nobody_there_is_all_failed(tmp_path):
    told = load(1, ["/ok"], tmp_path, rate=20)
    assert told["failed"] == told["requests"] == 20


def test_a_path_is_asked_as_it_stands(port, part):
    exchange = part("load").exchange

    async def ask():
        pipe = await asyncio.open_connection("127.0.0.1", port)
        try:
            return [await exchange(*pipe, path) for path in ("/ok", "/no")]
        finally:
            pipe[1].close()
            await pipe[1].wait_closed()

    assert asyncio.run(ask()) == [200, 503]


def test_a_made_run_serves_the_vectors_it_was_given(tmp_path, part):
    table = np.eye(4, dtype=np.float32)
    arrays = {"inputs": table, "outputs": np.roll(table, 1, axis=0), "known": np.ones(4, np.uint8)}
    part("runs").write(tmp_path / "run", np.array([[0], [2]], np.int32), 4, arrays)
    shop = Recommender.load(tmp_path / "run")
    assert [shop.recommend(user, 1)[0].item for user in (0, 1)] == [1, 3]


def test_both_sides_of_the_batch_list_the_same_to_everybody(tmp_path, part, monkeypatch):
    batch = part("batch")
    random = np.random.default_rng(0)
    rows = [f"{user},{item}" for user in range(60) for item in random.permutation(80)[:12]]
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id\n" + "\n".join(rows))
    monkeypatch.setattr(batch, "shared", lambda _: path)
    monkeypatch.setattr(batch, "K", 10)
    monkeypatch.setattr(batch, "DIM", 8)
    n_users, work = batch.sides("any")
    assert n_users == 60
    assert set(work) == {"recembed", "implicit"}
    assert (work["recembed"]() == work["implicit"]()).mean() > 0.98
