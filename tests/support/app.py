"""The server in the test's own process and event loop, for whatever is about its HTTP answers and not about a process.

`AppServer` builds the application as `python -m roomcast` does, from the environment variables that a test names and
from nothing else of the environment. pytest-aiohttp's `aiohttp_client` starts it, and stops it when the test is over.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpClient
from roomcast.app import PROTOCOL_FACTORY, SHUTDOWN, build_app
from roomcast.extensions.registry import Extensions
from roomcast.hosting.mounting import mount_roomcast
from roomcast.settings.settings import Settings, load_settings

from tests.support import node_host
from tests.support.ffmpeg_runs import is_browser
from tests.support.harness import LEASE_SECONDS, OURS, TAIL_LINES, ServerUnderTest, eventually

_ANSWER_SECONDS = 3.0
_LEAVES = frozenset({"error", "critical", "exception"})


class AppServer(ServerUnderTest):
    """An application that listens on a port of its own, as `RunningServer` is a process that does."""

    def __init__(self, data: Path, log: list[dict[str, Any]], app: web.Application) -> None:
        super().__init__(data, data.name)
        self.app = app
        self._log = log

    def tail(self) -> str:
        return "\n".join(json.dumps(entry, default=str) for entry in self._log[-TAIL_LINES:])

    def error_lines(self) -> list[str]:
        """Log entries that tell of a bug: errors, of ours and of the libraries'."""
        return [json.dumps(entry, default=str) for entry in self._log if entry["level"] in _LEAVES]


@asynccontextmanager
async def app_server(
    aiohttp_client: AiohttpClient,
    data: Path,
    log: list[dict[str, Any]],
    extensions: Extensions | None = None,
    **env: str,
) -> AsyncIterator[AppServer]:
    """An application that serves until this is left."""
    settings = _settings(ROOMCAST_DATA=str(data), **env)
    if settings.server.prefix:
        outer = web.Application()
        mount_roomcast(outer, settings, extensions or Extensions())
        server, listening = AppServer(data, log, outer), TestServer(outer)
    else:
        app = await build_app(settings, extensions or Extensions())
        server = AppServer(data, log, app)
        listening = _Listening(app)
    server.prefix = settings.server.prefix
    await aiohttp_client(listening)
    assert listening.port is not None
    server.port = listening.port
    yield server
    await listening.close()


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """When this is left, what began meanwhile must come to its end: this loop's tasks, and this process's children."""

    def at_work() -> set[object]:
        tasks = {task for task in asyncio.all_tasks() - {asyncio.current_task()} if not _lingers(task)}
        return {*tasks, *(child for child in _descendants() if not _is_shared(child))}

    before, left = at_work(), set[object]()

    def all_ended() -> bool:
        left.clear()
        left.update(at_work() - before)
        return not left

    yield
    try:
        await eventually(all_ended)
    except AssertionError:
        raise AssertionError(f"left behind: {left}") from None


def _descendants() -> set[psutil.Process]:
    """The processes below this one."""
    if sys.platform != "linux":
        return set(psutil.Process().children(recursive=True))
    found: set[psutil.Process] = set()
    parents = [os.getpid()]
    while parents:
        threads = list[Path]()
        with suppress(OSError):  # it has just ended
            threads += Path(f"/proc/{parents.pop()}/task").iterdir()
        for thread in threads:
            with suppress(OSError):  # as above
                parents += (below := [int(pid) for pid in (thread / "children").read_text().split()])
                for pid in below:
                    with suppress(psutil.NoSuchProcess):
                        found.add(psutil.Process(pid))
    return found


def _is_shared(child: psutil.Process) -> bool:
    """Return whether the process is one that tests share: Chromium's, or the one of programs in JavaScript."""
    return child.pid in node_host.pids() or is_browser(child)


def _lingers(task: asyncio.Task[Any]) -> bool:
    """Whether it is a connection of aiohttp's: one that was cut in the middle of a body waits ten seconds for the rest
    of it. (What a request is answered by has a task of its own.)"""
    return getattr(task.get_coro(), "__qualname__", "") == "RequestHandler.start"


def _settings(**env: str) -> Settings:
    """What the server would read in an environment that says this, and nothing else to it."""
    defaults = {"ROOMCAST_WORKERS": "2", "ROOMCAST_LEASE_SECONDS": LEASE_SECONDS, "ROOMCAST_PRESET": "veryfast"}
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(OURS.match, list(os.environ)):
            patch.delenv(name)
        for name, value in {**defaults, **env}.items():
            patch.setenv(name, value)
        return load_settings()


class _Runner(web.AppRunner):
    """Puts the application's own protocols before aiohttp's and into its place, as `python -m roomcast` does."""

    @functools.cached_property
    def server(self) -> Any:
        http = super().server
        assert http is not None
        return self.app[PROTOCOL_FACTORY](http)


class _Listening(TestServer):
    """Listens and stops as `python -m roomcast` does."""

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return _Runner(self.app, access_log=None, shutdown_timeout=_ANSWER_SECONDS, keepalive_timeout=75)

    async def close(self) -> None:
        if self.runner and not self.closed:
            for site in list(self.runner.sites):
                await site.stop()
            await self.app[SHUTDOWN]()
        await super().close()


@contextmanager
def captured_log() -> Iterator[list[dict[str, Any]]]:
    """What this process logs meanwhile: all of ours, and what libraries say when something is wrong."""
    entries: list[dict[str, Any]] = []

    def keep(_: Any, level: str, entry: Any) -> Any:
        entries.append({"level": level, **entry})
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, keep]
    handler = _Handler(entries.append)
    logging.getLogger().addHandler(handler)
    try:
        yield entries
    finally:
        logging.getLogger().removeHandler(handler)
        processors[:] = before


class _Handler(logging.Handler):
    def __init__(self, keep: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(logging.ERROR)
        self._keep = keep
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._keep({"level": record.levelname.lower(), "logger": record.name, "event": self.format(record)})
