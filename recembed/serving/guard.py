"""What stands before the routes: the key, the size and the time of a request, and the count."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import orjson

from recembed.serving.limits import Limits, Refused
from recembed.serving.meters import Meters

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
HEALTH = ("/health/live", "/health/ready")
DOCUMENT = ("/docs", "/openapi.json", "/static-offline-docs/")
OPEN = (*HEALTH, *DOCUMENT)  # without a key: probes and browsers have none; nothing of the run
MOST_AT_ONCE = 256  # requests; at 400 a second each of these already waits more than half a second
CLOSES = (401, 408, 413)  # what is left of the body is not read
log = logging.getLogger(__name__)


class Gone(Exception):
    """The client left before all of the request was there."""


class Guard:
    """Refuses what is too much before a route sees it, and counts every answer."""

    def __init__(self, app: App, limits: Limits, key: str | None, meters: Meters) -> None:
        self.app, self.limits, self.meters = app, limits, meters
        self.expected = None if key is None else f"bearer {key}".encode()
        self.running = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, said = time.perf_counter(), Said(send)
        try:
            await self._answer(scope, receive, said)
        except Gone:
            pass
        except Refused as refused:
            await said.refuse(refused.status, str(refused))
        except Exception as error:  # its message may hold what was asked for: not into the log
            log.error("%s at %s", type(error).__name__, _place(error))  # noqa: TRY400
            await said.refuse(500, "an error of the server; its log says where")
        finally:
            route = getattr(scope.get("route"), "path_format", "other")
            self.meters.answered(route, said.status, time.perf_counter() - begin)

    async def _answer(self, scope: Message, receive: Receive, said: "Said") -> None:
        headers = dict(scope["headers"])
        if self.expected is not None and not scope["path"].startswith(OPEN):
            scheme, space, given = headers.get(b"authorization", b"").partition(b" ")
            if not secrets.compare_digest(scheme.lower() + space + given, self.expected):
                raise Refused(401, "a key is needed: Authorization: Bearer KEY")
        if b"content-length" in headers or b"transfer-encoding" in headers:
            receive = await self._whole(headers, receive)
        if self.running >= MOST_AT_ONCE and not scope["path"].startswith(HEALTH):
            raise Refused(503, "too many requests at once: try again later")
        self.running += 1  # not before the body is here: slow clients take no turn
        try:
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, receive, said)
        except TimeoutError:
            raise Refused(503, f"no answer within {self.limits.seconds:g} seconds") from None
        finally:
            self.running -= 1

    async def _whole(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """The body, read within the limits, as one message."""
        size, body, more = int(headers.get(b"content-length", 0)), bytearray(), True
        try:
            async with asyncio.timeout(self.limits.seconds):
                while more and max(size, len(body)) <= self.limits.body:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            why = f"the body was not there within {self.limits.seconds:g} seconds"
            raise Refused(408, why) from None
        if max(size, len(body)) > self.limits.body:
            raise Refused(413, f"a body has at most {self.limits.body} bytes")
        messages = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        return again


class Said:
    """The way to the client, and the status that was sent: 499 where nothing was."""

    def __init__(self, send: Send) -> None:
        self.send, self.status = send, 499

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)

    async def refuse(self, status: int, why: str) -> None:
        """One line as JSON; nothing where an answer began already."""
        if self.status != 499:
            return
        body = orjson.dumps({"detail": why})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status in CLOSES:
            headers.append((b"connection", b"close"))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _place(error: Exception) -> str:
    """Where it was raised."""
    trace, place = error.__traceback__, "an unknown place"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
