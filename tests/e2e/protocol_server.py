"""A Socket.IO server to try the protocols on: stock python-socketio, or Roomcast's.

    python -m tests.e2e.protocol_server stock|ours engine|socket

Both get the same pauses and the same behaviour. `engine`: every message of an Engine.IO session comes back. `socket`:
who connects to `/` or `/custom` is sent `auth` with what they gave; `message` comes back as `message-back`; and
`message-with-ack` is acknowledged with its arguments.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import socketio
from aiohttp import web
from server.realtime.endpoint import Door, Endpoint
from server.realtime.engine import Engine, Session
from server.realtime.packets import Kind, Packet, speak
from server.realtime.sockets import Sockets

from server.upload.process import say, stop_signal
from server.web.errors import errors_as_json

PING_SECONDS = 1.0  # stock tells clients whole seconds alone
PONG_SECONDS = 1.0
LARGEST_BYTES = 10_000
NAMESPACES = ("/", "/custom")


class Returning:
    """Our Engine.IO's `Application`."""

    def opened(self, session: Session) -> None: ...

    def received(self, session: Session, message: str | bytes) -> None:
        session.send(Packet(b"4" + message.encode()) if isinstance(message, str) else Packet.of_bytes(message))

    def closed(self, session: Session) -> None: ...


@dataclass(eq=False)
class Guest:
    """Who is in a namespace of ours."""

    session: Session
    namespace: str

    def tell(self, *event: Any) -> None:
        for packet in speak(Kind.EVENT, list(event), namespace=self.namespace):
            self.session.send(packet)


class Answering:
    """Our Socket.IO's `Handlers`."""

    namespaces: Collection[str] = NAMESPACES

    def connect(self, session: Session, namespace: str, _sid: str, auth: Any) -> Guest:
        guest = Guest(session, namespace)
        asyncio.get_running_loop().call_soon(guest.tell, "auth", auth or {})
        return guest

    async def call(self, client: Guest, name: Any, arguments: Sequence[Any]) -> Sequence[Any]:
        if name == "message":
            client.tell("message-back", *arguments)
        return arguments

    def disconnect(self, client: Any) -> None: ...


def stock(protocol: str) -> socketio.AsyncServer:
    """python-socketio with the same behaviour."""
    sio = socketio.AsyncServer(
        async_mode="aiohttp",
        ping_interval=PING_SECONDS,
        ping_timeout=PONG_SECONDS,
        max_http_buffer_size=LARGEST_BYTES,
        namespaces=NAMESPACES,
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
    return sio


def _greeting(sio: socketio.AsyncServer, namespace: str) -> Callable[..., Awaitable[None]]:
    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        sio.start_background_task(sio.emit, "auth", auth or {}, to=sid, namespace=namespace)

    return connect


def _echo(sio: socketio.AsyncServer, namespace: str) -> Callable[..., Awaitable[None]]:
    async def echo(sid: str, *arguments: Any) -> None:
        await sio.emit("message-back", arguments, to=sid, namespace=namespace)

    return echo


async def _acknowledge(_sid: str, *arguments: Any) -> Any:
    return arguments


async def serve(whose: str, protocol: str) -> None:
    """Until SIGTERM."""
    app = web.Application(middlewares=[errors_as_json])
    application = Returning() if protocol == "engine" else Sockets(Answering())
    engine = Engine(application, ping_seconds=PING_SECONDS, timeout_seconds=PONG_SECONDS, largest=LARGEST_BYTES)
    endpoint = Endpoint(engine, (), "cookie", polling=True)
    if whose == "stock":
        stock(protocol).attach(app)
    else:
        endpoint.add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    http = cast(web.Server, runner.server)
    protocols = http if whose == "stock" else partial(Door, endpoint, http)
    listening = await asyncio.get_running_loop().create_server(protocols, "127.0.0.1", 0)
    stop = stop_signal()
    say(f"Roomcast is ready: http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/progress-demo")
    await stop.wait()
    listening.close()
    endpoint.stop()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
