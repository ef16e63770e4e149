"""Run a web process, or the supervisor of several."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web

from roomcast.app import DRAIN, PROTOCOL_FACTORY, SHUTDOWN, build_app
from roomcast.extensions.registry import Extensions
from roomcast.hosting.asgi import AsgiHost
from roomcast.hosting.loading import AsgiApplication, load_asgi
from roomcast.hosting.mounting import mount_roomcast
from roomcast.http.pages import PAGE
from roomcast.rooms.shared_server import SharedServer
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


@dataclass(frozen=True)
class WebProgram:
    """What a web process serves: Roomcast, and an ASGI application at all paths that are not below the prefix."""

    settings: Settings
    extensions: Extensions
    server: SharedServer | None = None
    asgi: str | AsgiApplication | None = None
    command: Sequence[str] = (sys.executable, "-m", "roomcast")
    """The command line that serves the same in another process."""


async def run_server(program: WebProgram) -> int:
    """Serve until SIGTERM or SIGINT, the parent's end, or the failure of a background task. Return the exit code."""
    settings = program.settings
    stop = stop_signal()
    end = exit_when_task_fails(stop)
    if (parent := inherited_fd(PARENT_PIPE_FD)) is not None:
        asyncio.get_running_loop().add_reader(parent, stop.set)
    if (warning := settings.storage.disk_warning) is not None:
        log.warning(warning)
    root, running_app = await _build_root(program)
    runner = web.AppRunner(root, access_log=None, shutdown_timeout=_RESPONSE_SECONDS, keepalive_timeout=75)
    await runner.setup()
    try:
        app = running_app()
        http = cast(web.Server, runner.server)
        listening = await _listen(app[PROTOCOL_FACTORY](http), settings)
        gc.freeze()
        print_ready(f"Roomcast is ready: {_address(listening)}{settings.server.prefix}{PAGE}")
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
        await root[SHUTDOWN]()
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


async def _build_root(program: WebProgram) -> tuple[web.Application, Callable[[], web.Application]]:
    """Return the application of the port, and a function that returns Roomcast's own while that runs."""
    settings, extensions, server = program.settings, program.extensions, program.server
    if program.asgi is None and not settings.server.prefix:
        app = await build_app(settings, extensions, server)
        return app, lambda: app
    root = web.Application()
    mount = mount_roomcast(root, settings, extensions, server)
    if program.asgi is not None:
        AsgiHost(root, load_asgi(program.asgi))
    root[SHUTDOWN] = mount.shut_down
    return root, lambda: mount.app


async def run_web(program: WebProgram) -> int:
    """Run the supervisor of several web processes, or the one web process. Return the exit code."""
    settings = program.settings
    settings.check_access(application_authenticates=program.extensions.authenticates is not None)
    if settings.web_processes > 1 and inherited_fd(LISTEN_FD) is None:
        server = settings.server
        return await supervise(
            settings.web_processes, server.host, server.port, program.command, drain_seconds=server.drain_seconds
        )
    return await run_server(program)
