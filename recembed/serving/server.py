"""The server: a socket, a loop, connections that must be prompt, and signals."""

import logging
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recembed.errors import DataError
from recembed.protocols import THIS_MACHINE
from recembed.serving.limits import Limits
from recembed.serving.live import Live
from recembed.serving.routes import app_of

MOST_CONNECTIONS = 1000  # below the 1,024 files that a process usually may open
MOST_HEAD = 64 << 10  # bytes of a request before its body: a query may name a thousand ids
IDLE = 30  # seconds that a connection is kept between requests
log = logging.getLogger(__name__)


class Prompt(HttpToolsProtocol):
    """A connection whose headers must arrive within `seconds`, and be short; an answer that is not
    taken for so long is dropped. uvicorn itself waits for both without end, and where requests
    follow each other unanswered, tells the last alone that the client is gone.
    """

    seconds = 5.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.head, self.late = 0, self._by_then()
        self.answered: Any = None  # the request that is

    def connection_lost(self, exc: Exception | None) -> None:
        self.late.cancel()
        self._leave()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        if self.late.cancelled():  # another request on the same connection
            self.late = self._by_then()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.late.cancel()
        self.head = 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        waiting = not self.late.cancelled()
        super().data_received(data)
        if waiting and not self.late.cancelled():
            self.head += len(data)
            if self.head > MOST_HEAD:
                self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stuck = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self.stuck.cancel()
        super().resume_writing()

    def _by_then(self) -> Any:
        return self.loop.call_later(self.seconds, self._end)

    def _end(self) -> None:
        self._leave()
        self.transport.close()

    def _leave(self) -> None:
        """What is being answered is for nobody: nothing more is sent."""
        if self.answered is not None and not self.answered.response_complete:
            self.answered.disconnected = True
            self.answered.message_event.set()


def run(live: Live, limits: Limits, key: str | None, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that run are finished. SIGHUP reloads the run.

    port: 0 takes a free one. Raises: DataError if nothing can listen there.
    """
    with ThreadPoolExecutor(THIS_MACHINE.threads, "search") as pool, _listening(host, port) as at:
        config = uvicorn.Config(
            app_of(live, limits, key, pool),
            http=type("Prompt", (Prompt,), {"seconds": limits.seconds}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # it has whole query strings: who asked for whom
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
        )
        with _on_hangup(live):
            _Telling(config).run(sockets=[at])


class _Telling(uvicorn.Server):
    """Says where it listens once it does, and signals are its own."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            log.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"cannot listen on {host} port {port}: {why}") from error


@contextmanager
def _on_hangup(live: Live) -> Iterator[None]:
    """SIGHUP reloads, where the system has it."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: live.call())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
