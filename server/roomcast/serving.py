"""Run a web process, or the supervisor of several."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog
from aiohttp import web

from roomcast.app import DRAIN, PROTOCOL_FACTORY, SHUTDOWN, build_app
from roomcast.extensions.registry import Extensions
from roomcast.http.pages import PAGE
from roomcast.runtime.process import (
    STOP_SECONDS,
    exit_deadline,
    listen_errors,
    print_ready,
    stop_signal,
)
from roomcast.runtime.supervisor import LISTEN_FD, PARENT_PIPE_FD, inherited_fd, supervise
from roomcast.runtime.tasks import exit_when_task_fails
from roomcast.settings.settings import Settings

log = structlog.get_logger(__name__)

_LISTEN_BACKLOG = 1024

_RESPONSE_SECONDS = 3.0
"""How long responses may take when everything else has stopped."""


async def run_server(settings: Settings, extensions: Extensions) -> int:
    """Serve until SIGTERM or SIGINT, the parent's end, or the failure of a background task. Return the exit code."""
    stop = stop_signal()
    end = exit_when_task_fails(stop)
    if (parent := inherited_fd(PARENT_PIPE_FD)) is not None:
        asyncio.get_running_loop().add_reader(parent, stop.set)
    if (warning := settings.storage.disk_warning) is not None:
        log.warning(warning)
    app = await build_app(settings, extensions)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_RESPONSE_SECONDS, keepalive_timeout=75)
    await runner.setup()
    try:
        http = cast(web.Server, runner.server)
        listening = await _listen(app[PROTOCOL_FACTORY](http), settings)
        gc.freeze()
        print_ready(f"Roomcast is ready: {_address(listening)}{PAGE}")
        await stop.wait()
        log.info("stopping")
        drain_seconds = settings.server.drain_seconds if end.exit_code == 0 else 0.0
        exit_deadline(drain_seconds + STOP_SECONDS)
        app[DRAIN]()
        stop.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await stop.wait()
        listening.close()
    finally:
        await app[SHUTDOWN]()
        await runner.cleanup()
    return end.exit_code


async def _listen(protocols: Callable[[], asyncio.Protocol], settings: Settings) -> asyncio.Server:
    """Listen on the socket of the parent process, or on a new one."""
    loop, host, port = asyncio.get_running_loop(), settings.server.host, settings.server.port
    if (listener := inherited_fd(LISTEN_FD)) is not None:
        return await loop.create_server(protocols, sock=socket.socket(fileno=listener), backlog=_LISTEN_BACKLOG)
    with listen_errors(host, port):
        return await loop.create_server(protocols, host, port, backlog=_LISTEN_BACKLOG)


def _address(listening: asyncio.Server) -> str:
    host, port = listening.sockets[0].getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


async def run_web(settings: Settings, extensions: Extensions) -> int:
    """Run the supervisor of several web processes, or the one web process. Return the exit code."""
    settings.check_access(application_authenticates=extensions.authenticates is not None)
    if settings.web_processes > 1 and inherited_fd(LISTEN_FD) is None:
        server = settings.server
        return await supervise(settings.web_processes, server.host, server.port, drain_seconds=server.drain_seconds)
    return await run_server(settings, extensions)
