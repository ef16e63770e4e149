"""A Socket.IO server to try the protocols on: stock python-socketio, or Roomcast's.

    python -m tests.support.protocol.server stock|roomcast engine|socket|heartbeat

Both have the same options and handlers. `engine` echoes every message of an Engine.IO session. `socket` sends `auth`
to a client that connects to `/` or `/custom`, with its auth payload; it echoes `message` as `message-back`, and
acknowledges `message-with-ack` with its arguments. In `/watched`, every handler, and the catch-all, sends the client
`called` with the handler's name and arguments, where the client's id is replaced by `sid`; `ask-me` makes the server
call the client by `question` and send it the `answer`. `heartbeat` is `socket` with short ping intervals; in the
other modes they are longer than any case.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from roomcast.runtime.logs.announcements import print_ready
from roomcast.runtime.process import stop_signal

from tests.support.socketio.servers import SERVERS

PING_SECONDS = {"engine": 60.0, "socket": 60.0, "heartbeat": 1.0}
PONG_SECONDS = {"engine": 60.0, "socket": 60.0, "heartbeat": 10.0}  # stock sends clients full seconds only
LARGEST_BYTES = 10_000
NAMESPACES = ("/", "/custom")
WATCHED = "/watched"


def make_server(server_type: str, protocol: str) -> Any:
    """Make a server of this kind with the handlers of the protocol (see the module)."""
    sio = SERVERS[server_type](
        ping_interval=PING_SECONDS[protocol],
        ping_timeout=PONG_SECONDS[protocol],
        max_http_buffer_size=LARGEST_BYTES,
        namespaces=[*NAMESPACES, WATCHED],
    )
    if protocol == "engine":

        async def accept(_sid: str, _environ: Any) -> None: ...

        async def leave(_sid: str, _reason: str) -> None: ...

        sio.eio.on("connect", accept)
        sio.eio.on("message", sio.eio.send)
        sio.eio.on("disconnect", leave)
    for namespace in NAMESPACES:
        sio.on("connect", _greeting(sio, namespace), namespace=namespace)
        sio.on("message", _echo(sio, namespace), namespace=namespace)
        sio.on("message-with-ack", _acknowledge, namespace=namespace)
    _watch(sio)
    return sio


def _greeting(sio: Any, namespace: str) -> Callable[..., Awaitable[None]]:
    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        sio.start_background_task(sio.emit, "auth", auth or {}, to=sid, namespace=namespace)

    return connect


def _echo(sio: Any, namespace: str) -> Callable[..., Awaitable[None]]:
    async def echo(sid: str, *arguments: Any) -> None:
        await sio.emit("message-back", arguments, to=sid, namespace=namespace)

    return echo


async def _acknowledge(_sid: str, *arguments: Any) -> Any:
    return arguments


def _watch(sio: Any) -> None:
    """Register the handlers of `/watched`."""

    def watcher(handler: str) -> Callable[..., Awaitable[None]]:
        async def watch(*arguments: Any) -> None:
            for sid in {
                value for value in arguments if isinstance(value, str) and sio.manager.is_connected(value, WATCHED)
            }:
                values = ["sid" if value == sid else value for value in arguments]
                await sio.emit("called", (handler, values), to=sid, namespace=WATCHED)

        return watch

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if isinstance(environ, str):  # no server does this: the arguments are a client's
            await sio.emit("called", ("connect", ["sid", environ, auth]), to=sid, namespace=WATCHED)

    async def disconnect(sid: str, _reason: Any) -> None:
        if sio.manager.is_connected(sid, WATCHED):  # a forged event: the client is still connected
            await sio.emit("called", ("disconnect", ["sid"]), to=sid, namespace=WATCHED)

    async def ask(sid: str) -> None:
        async def asked() -> None:
            answer = await sio.call("question", to=sid, namespace=WATCHED)
            await sio.emit("answer", answer, to=sid, namespace=WATCHED)

        sio.start_background_task(asked)

    sio.on("connect", connect, namespace=WATCHED)
    sio.on("disconnect", disconnect, namespace=WATCHED)
    sio.on("ask-me", ask, namespace=WATCHED)
    sio.on("*", watcher("any"), namespace=WATCHED)


async def serve(server_type: str, protocol: str) -> None:
    """Serve until SIGTERM."""
    app = web.Application()
    sio = make_server(server_type, protocol)
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    http = cast(web.Server, runner.server)
    listening = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    stop = stop_signal()
    print_ready(f"Roomcast is ready: http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/progress-demo")
    await stop.wait()
    listening.close()
    await sio.shutdown()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
