"""An open-loop load on a server: requests leave when they are due, whatever came back so far.

    python serving_load.py PORT RATE SECONDS PATHS

PATHS is a file of request paths, taken in turns. A request's latency counts from when it was due,
so that a stall of the server counts for all that waited behind it. SIGTERM ends the load early.
Prints one JSON object: requests, failed (no answer, or another status than 200), seconds, and the
latencies of the others in milliseconds: p50, p99, worst.
"""

import asyncio
import itertools
import json
import signal
import sys
import time
from pathlib import Path

CONNECTIONS = 64  # kept open; a request waits where all are busy
PATIENCE = 10.0  # seconds until a request counts as failed


class Load:
    """Requests under way, and what came of those that are done."""

    def __init__(self, port: int, paths: list[str]) -> None:
        self.port, self.paths = port, itertools.cycle(paths)
        self.idle: asyncio.LifoQueue[tuple | None] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self.idle.put_nowait(None)  # opened when it is first used
        self.latencies: list[float] = []
        self.failed = 0
        self.stopped = asyncio.Event()

    async def run(self, rate: float, seconds: float) -> None:
        """Until the time is over, or somebody stops it."""
        loop, tasks = asyncio.get_running_loop(), set()
        begin = loop.time()
        for turn in range(int(rate * seconds)):
            due = begin + turn / rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if self.stopped.is_set():
                break
            task = asyncio.create_task(self.ask(next(self.paths), due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def ask(self, path: str, due: float) -> None:
        """One request, due at a moment of the loop's clock."""
        pipe = await self.idle.get()
        try:
            async with asyncio.timeout(PATIENCE):
                pipe = pipe or await asyncio.open_connection("127.0.0.1", self.port)
                status = await exchange(*pipe, path)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            self.failed += 1
            if pipe is not None:
                pipe[1].close()
            pipe = None
        else:
            if status == 200:
                self.latencies.append(asyncio.get_running_loop().time() - due)
            else:
                self.failed += 1
        self.idle.put_nowait(pipe)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> int:
    """The status of one answer, which is read to its end."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    return int(head.split(" ", 2)[1])


async def main(port: int, rate: float, seconds: float, paths: list[str]) -> None:
    load = Load(port, paths)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stopped.set)
    begin = time.perf_counter()
    await load.run(rate, seconds)
    took = time.perf_counter() - begin
    times = sorted(1000 * each for each in load.latencies) or [float("inf")]
    told = {"p50": times[len(times) // 2], "p99": times[int(0.99 * (len(times) - 1))]}
    counts = {"requests": len(load.latencies) + load.failed, "failed": load.failed}
    print(json.dumps({**counts, "seconds": took, **told, "worst": times[-1]}))


if __name__ == "__main__":
    port, rate, seconds, file = sys.argv[1:]
    listed = Path(file).read_text(encoding="utf-8").split()
    asyncio.run(main(int(port), float(rate), float(seconds), listed))
