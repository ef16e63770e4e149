"""`python -m roomcast`: read the settings, serve, stop on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from typing import cast

import structlog
from aiohttp import web

from roomcast import settings
from roomcast.app import PROTOCOL_FACTORY, SHUTDOWN, build_app
from roomcast.errors import RoomcastError
from roomcast.http.pages import PAGE
from roomcast.http.request_handler import request_handlers
from roomcast.runtime.process import (
    STOP_SECONDS,
    configure_logging,
    exit_deadline,
    new_loop,
    print_ready,
    print_start_error,
    stop_signal,
)
from roomcast.runtime.supervisor import LISTEN_FD, PARENT_PIPE_FD, inherited_fd, supervise
from roomcast.runtime.tasks import exit_when_task_fails
from roomcast.settings import Settings

log = structlog.get_logger("roomcast")

_BACKLOG = 1024

_ANSWER_SECONDS = 3.0
"""How long requests may take to be answered when everything else has stopped."""


async def serve(chosen: Settings) -> int:
    """Until SIGTERM or SIGINT, until the parent is gone, or until a background task dies; the exit code."""
    stop = stop_signal()
    end = exit_when_task_fails(stop)
    if (lifeline := inherited_fd(PARENT_PIPE_FD)) is not None:
        asyncio.get_running_loop().add_reader(lifeline, stop.set)
    if (warning := chosen.storage.disk_warning) is not None:
        log.warning(warning)
    app = await build_app(chosen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ANSWER_SECONDS, keepalive_timeout=75)
    await runner.setup()
    try:
        http = cast(web.Server, runner.server)
        listening = await _listen(app[PROTOCOL_FACTORY](request_handlers(http)), chosen)
        gc.freeze()
        print_ready(f"Roomcast is ready: {_address(listening)}{PAGE}")
        await stop.wait()
        log.info("stopping")
        exit_deadline(STOP_SECONDS)
        listening.close()
        await app[SHUTDOWN]()
    finally:
        await runner.cleanup()
    return end.exit_code


async def _listen(protocols: Callable[[], asyncio.Protocol], chosen: Settings) -> asyncio.Server:
    """On the parent's port, or on one of our own."""
    loop = asyncio.get_running_loop()
    if (listener := inherited_fd(LISTEN_FD)) is not None:
        return await loop.create_server(protocols, sock=socket.socket(fileno=listener), backlog=_BACKLOG)
    return await loop.create_server(protocols, chosen.server.host, chosen.server.port, backlog=_BACKLOG)


def _address(listening: asyncio.Server) -> str:
    host, port = listening.sockets[0].getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def main() -> int:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        return print_start_error(str(error))
    configure_logging(chosen.server.log)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            if chosen.web_processes > 1 and inherited_fd(LISTEN_FD) is None:
                return runner.run(supervise(chosen.web_processes, chosen.server.host, chosen.server.port))
            return runner.run(serve(chosen))
    except (OSError, RoomcastError) as error:
        return print_start_error(str(error))


if __name__ == "__main__":
    sys.exit(main())
