import http.client
import json
import signal
import socket
import sys
import threading
import time

import pytest

HEAD = "POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BODY = b'{"user": "u001", "k": 3}'


@pytest.fixture(scope="module")
def server(started, run):
    with started(run, "--timeout", "1", "--watch", "0.1") as server:
        yield server


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def rest(connection):
    """Everything up to the end of the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_body_that_does_not_come_is_given_up_with_408(server):
    with connected(server) as slow:
        slow.sendall(f"{HEAD}content-length: 24\r\n\r\n".encode() + BODY[:5])
        answer = rest(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"was not there within 1 seconds" in answer


def test_a_body_that_drips_is_given_up_as_well(server):
    with connected(server) as slow:
        slow.sendall(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
        begin = time.monotonic()
        for _ in range(8):
            slow.sendall(b"1\r\n \r\n")
            time.sleep(0.1)
        answer = rest(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begin < 20


def test_who_leaves_in_a_body_is_answered_nothing(server, waited):
    def left():
        counts = [line for line in server.get("/metrics").splitlines() if 'status="499"' in line]
        return sum(float(line.split()[-1]) for line in counts if "requests_total" in line)

    before = left()
    with connected(server) as hasty:
        hasty.sendall(f"{HEAD}content-length: 24\r\n\r\n".encode() + BODY[:5])
        time.sleep(0.1)
    waited(lambda: left() == before + 1, "the count of those who left")


@pytest.mark.parametrize("given", [b"", b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-a: b"])
def test_a_connection_that_asks_nothing_is_closed(server, given):
    with connected(server) as silent:
        silent.sendall(given)
        assert rest(silent) == b""


def test_headers_that_drip_after_an_answer_are_given_up(server):
    with connected(server) as slow:
        slow.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += slow.recv(65536)
        slow.sendall(b"GET /health/live HTTP/1.1\r\n")
        assert rest(slow) == b""


def test_headers_without_an_end_are_cut(server):
    def send(endless):
        endless.sendall(b"GET / HTTP/1.1\r\n")
        while True:
            endless.sendall(b"x-a: " + b"b" * 1000 + b"\r\n")

    with connected(server) as endless, pytest.raises(OSError, match=r"reset|pipe"):
        send(endless)
    assert json.loads(server.get("/health/live")) == {"status": "alive"}


BODIES = json.dumps({"users": ["u001"] * 1000, "k": 50}).encode()
MANY = b"POST /recommend_many HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODIES)


def test_a_connection_whose_answers_nobody_takes_is_dropped(server, waited):
    def open_files():
        return float(server.get("/metrics").split("\nprocess_open_fds ")[1].split()[0])

    with connected(server) as lazy:
        time.sleep(0.5)  # until it is taken, and those of other tests are gone
        held = open_files()
        lazy.sendall((MANY + BODIES) * 10)  # answers are more than the buffers between them hold
        waited(lambda: open_files() < held, "its end", 20)


def test_who_leaves_before_an_answer_is_no_error(started, run):
    with started(run, "--timeout", "0.1") as server:
        for _ in range(20):
            with connected(server) as hasty:
                hasty.sendall((MANY + BODIES) * 10)
                time.sleep(0.1)
        server.get("/health/live")
        said = server.said.splitlines()
    assert len(said) == 1, said  # that it serves


def test_what_follows_a_refused_key_is_not_read(started, run):
    with started(run, RECEMBED_API_KEY="secret") as locked, connected(locked) as endless:
        endless.sendall(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
        answer = rest(endless)
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "given",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET \xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-length: 9x\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused(server, given):
    with connected(server) as wild:
        wild.sendall(given)
        assert rest(wild).startswith(b"HTTP/1.1 400 ")


def test_nothing_of_a_request_is_in_the_log(server):
    for path in ("/recommend?user=mary-jane", "/items/mary-jane", "/recommend?history=mary-jane"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", path, headers={"authorization": "Bearer mary-jane"})
        assert connection.getresponse().status in (200, 404, 422)
        connection.close()
    assert "mary" not in server.said
    assert "Traceback" not in server.said


def test_a_hang_up_reloads_the_run(server, waited):
    def reloads():
        for line in server.get("/metrics").splitlines():
            if line.startswith('recembed_reloads_total{result="ok"}'):
                return float(line.split()[-1])
        raise AssertionError("no count of reloads")

    before = reloads()
    server.hang_up()
    waited(lambda: reloads() > before, "the reload", 30)


class Traffic:
    """Two clients that ask all the time, until the block ends."""

    def __init__(self, server):
        self.server, self.stop, self.failed, self.answered = server, threading.Event(), [], set()
        self.clients = [threading.Thread(target=self.ask) for _ in range(2)]

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        while not self.stop.is_set():
            connection.request("GET", "/recommend?user=u001&k=3")
            answer = connection.getresponse()
            self.answered.add(answer.read())
            if answer.status != 200:
                self.failed.append(answer.status)

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for client in self.clients:
            client.join()


def test_a_link_moved_under_traffic_fails_no_request(started, made, broken, link, waited):
    first, other = made("als"), made("item2vec")
    with started(link(first), "--watch", "0.02") as server, Traffic(server) as traffic:
        for run in [other, broken, first, other, broken, first]:
            before = server.get("/health/ready")
            link(run)
            waited(lambda old=before: server.get("/health/ready") != old, f"{run} to be seen", 30)
            status = json.loads(server.get("/health/ready"))["status"]
            assert status == ("degraded" if run is broken else "ready")
    assert not traffic.failed
    assert len(traffic.answered) == 2  # of the one run or the other, never a mixture
    assert "Traceback" not in server.said


def test_sigterm_lets_a_request_end(started, run):
    with started(run, RECEMBED_API_KEY="secret") as server:
        with connected(server) as running, connected(server) as idle:
            running.sendall(
                f"{HEAD}authorization: Bearer secret\r\ncontent-length: 24\r\n\r\n".encode()
                + BODY[:5]
            )
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(10) == b""  # it asked nothing
            running.sendall(BODY[5:])
            answer = rest(running)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(json.loads(answer.split(b"\r\n\r\n")[1])["items"]) == 3
        assert server.process.wait(20) in (0, -signal.SIGTERM)
        assert "Traceback" not in server.said
        with pytest.raises(OSError, match="refused"):
            connected(server)


def test_ctrl_c_ends_it_quietly(started, run):
    with started(run) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert server.said.count("\n") == 1


def test_a_server_that_others_reach_without_a_key_warns(started, run, tmp_path):
    with started(run, "--host", "0.0.0.0") as server:
        assert "anybody" in server.said.splitlines()[0]
    (tmp_path / "key").write_text("\ufeffsecret\n")  # as Notepad saves it
    with started(run, "--host", "0.0.0.0", "--api-key-file", tmp_path / "key") as server:
        assert "anybody" not in server.said
        with connected(server) as asking:
            asking.sendall(f"{HEAD}authorization: Bearer secret\r\n\r\n".encode())
            assert b" 422 " in asking.recv(99)
        assert "secret" not in server.said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--api-key-file", "/nowhere"), "cannot be read"),
        (("--api-key-file", "/dev/null"), "no API key"),
        (("--port", "99999"), "port 99999"),
        (("--host", "203.0.113.1"), "cannot listen"),
        (("--timeout", "0"), "seconds"),
        (("--timeout", "nan"), "seconds"),
        (("--timeout", "inf"), "timeout is above 0 seconds"),
        (("--watch", "0"), "watch"),
        (("--max-k", "0"), "1 item"),
        (("--max-body", "0"), "1 byte"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(refused, run, options, said):
    assert said in refused("serve", run, *options)


def test_a_folder_that_is_no_run_is_refused_in_one_line(refused, tmp_path):
    assert "not a run" in refused("serve", tmp_path)


def test_without_its_packages_serving_says_what_to_install(refused, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "recembed.serving.server", raising=False)
    assert "pip install 'recembed[serve]'" in refused("serve", run)
