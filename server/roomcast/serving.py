"""Run a web process, or the supervisor of several."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

import structlog
from aiohttp import web

from roomcast.app import DRAIN, PROTOCOL_FACTORY, SHUTDOWN, USABLE, build_app
from roomcast.extensions.registry import Extensions
from roomcast.hosting.above import add_routes_above
from roomcast.hosting.asgi import AsgiHost
from roomcast.hosting.banner import web_facts
from roomcast.hosting.loading import AsgiApplication, load_asgi
from roomcast.hosting.mounting import mount_roomcast
from roomcast.http.pages import PAGE
from roomcast.rooms.shared_server import SharedServer
from roomcast.runtime.logs.announcements import print_ready
from roomcast.runtime.process import STOP_SECONDS, bind_port, exit_deadline, listen_errors, stop_signal
from roomcast.runtime.supervisor import LISTEN_FD, PARENT_PIPE_FD, inherited_fd, supervise
from roomcast.runtime.tasks import ProcessExit, exit_when_task_fails
from roomcast.settings.settings import Settings

log = structlog.get_logger(__name__)

_LISTEN_BACKLOG = 1024
_READY = "Roomcast is ready: "

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
    sockets = _bind(settings)  # first, because a taken port is the most frequent reason not to start
    try:
        return await _serve(program, sockets, stop, end)
    finally:
        for listener in sockets:
            listener.close()


async def _serve(program: WebProgram, sockets: Sequence[socket.socket], stop: asyncio.Event, end: ProcessExit) -> int:
    """Serve on the sockets until `stop` is set. Return the exit code."""
    settings = program.settings
    root, running_app = await _build_root(program)
    runner = web.AppRunner(root, access_log=None, shutdown_timeout=_RESPONSE_SECONDS, keepalive_timeout=75)
    await runner.setup()
    try:
        app = running_app()
        http = cast(web.Server, runner.server)
        listening = await _listen(app[PROTOCOL_FACTORY](http), sockets, settings)
        gc.freeze()
        if await app[USABLE](stop):
            _print_ready(program, f"{_READY}{_address(sockets[0])}{settings.server.prefix}{PAGE}")
        await stop.wait()
        log.info("stopping", note="Uploads in progress go back to the queue. A second Ctrl-C stops at once.")
        drain_seconds = settings.server.drain_seconds if end.exit_code == 0 else 0.0
        exit_deadline(drain_seconds + STOP_SECONDS)
        app[DRAIN]()
        stop.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await stop.wait()
        for server in listening:
            server.close()
    finally:
        await root[SHUTDOWN]()
        await runner.cleanup()
    log.info("stopped")
    return end.exit_code


def _bind(settings: Settings) -> list[socket.socket]:
    """Return the socket of the parent process, or new ones that do not listen yet."""
    if (listener := inherited_fd(LISTEN_FD)) is not None:
        return [socket.socket(fileno=listener)]
    return bind_port(settings.server.host, settings.server.port)


async def _listen(
    protocols: Callable[[], asyncio.Protocol], sockets: Sequence[socket.socket], settings: Settings
) -> list[asyncio.Server]:
    loop = asyncio.get_running_loop()
    with listen_errors(settings.server.host, settings.server.port):
        return [await loop.create_server(protocols, sock=one, backlog=_LISTEN_BACKLOG) for one in sockets]


def _print_ready(program: WebProgram, line: str) -> None:
    """Print the ready line, on a terminal with the addresses below it, which begin as the one in the line."""
    settings = program.settings
    address = line.removeprefix(_READY).removesuffix(f"{settings.server.prefix}{PAGE}")
    authenticates = program.extensions.authenticates is not None
    print_ready(line, web_facts(settings, address, application_authenticates=authenticates))


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
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
    else:
        add_routes_above(root, settings.server.prefix)
    root[SHUTDOWN] = mount.shut_down
    return root, lambda: mount.app


async def run_web(program: WebProgram) -> int:
    """Run the supervisor of several web processes, or the one web process. Return the exit code."""
    settings = program.settings
    settings.check_access(application_authenticates=program.extensions.authenticates is not None)
    if settings.web_processes > 1 and inherited_fd(LISTEN_FD) is None:
        server = settings.server
        return await supervise(
            settings.web_processes,
            server.host,
            server.port,
            program.command,
            on_ready=partial(_print_ready, program),
            drain_seconds=server.drain_seconds,
        )
    return await run_server(program)
