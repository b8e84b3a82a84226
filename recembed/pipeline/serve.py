"""Serve a run over HTTP."""

import ipaddress
import logging
import os
from pathlib import Path

from threadpoolctl import threadpool_limits

from recembed.errors import DataError, MissingExtra
from recembed.protocols import Machine
from recembed.recommender import Recommender
from recembed.search.kinds import IndexKind

KEY = "RECEMBED_API_KEY"


def serve(
    run: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key_file: str | Path | None = None,
    index: IndexKind | None = None,
    min_recall: float | None = None,
    newer: str | Path | None = None,
    max_k: int = 100,
    max_history: int = 1000,
    max_body: int = 1 << 20,
    timeout: float = 5.0,
    watch: float = 2.0,
) -> None:
    """Answer over HTTP from a run folder, or a link to one, until SIGTERM or Ctrl-C.

    api_key_file: its first line is the key that requests must carry; None: RECEMBED_API_KEY, where
    that is set. newer: a log of events that the run lacks, which histories go on with. max_history:
    ids in any list of a request. max_body: bytes. timeout: seconds a request may take. watch:
    seconds between looks at the run; a new one is taken up, SIGHUP does so at once.

    Raises: RunError if the run cannot be served; DataError if a setting makes no sense.
    """
    try:
        from recembed.serving.limits import Limits, some_time
        from recembed.serving.live import Live
        from recembed.serving.memory import keep_apart
        from recembed.serving.meters import Meters
        from recembed.serving.server import run as run_server
    except ModuleNotFoundError as error:
        raise MissingExtra("serving over HTTP", "serve") from error
    some_time("watch", watch)
    limits = Limits(max_k, max_history, max_body, timeout)
    key = _key(api_key_file)
    log = logging.getLogger("recembed.serving")
    _to_stderr(log)
    if key is None and not _is_loopback(host):
        log.warning("anybody who reaches %s may ask: set %s or --api-key-file", host, KEY)

    def load() -> Recommender:
        one = Machine(threads=1)  # requests run beside each other, not one on all cores
        return Recommender.load(run, index=index, min_recall=min_recall, history=newer, machine=one)

    keep_apart()
    with threadpool_limits(1):
        live = Live(run, load, Meters())
        end = live.watch(watch)
        try:
            run_server(live, limits, key, host, port)
        except KeyboardInterrupt:  # uvicorn has finished all requests by now
            pass
        finally:
            end()


def _key(file: str | Path | None) -> str | None:
    """The key, None where none was set; never an empty one."""
    if file is None:
        text = os.environ.get(KEY)
        if text is None:
            return None
        where = KEY
    else:
        try:
            text = (Path(file).read_text(encoding="utf-8-sig").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the API key cannot be read from {file}") from error
        where = str(file)
    if not text.strip():
        raise DataError(f"{where} has no API key: its first line is empty")
    return text.strip()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _to_stderr(log: logging.Logger) -> None:
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
