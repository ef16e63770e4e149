"""A server and its clients in the event loop of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, cast

import aiohttp
import socketio
from aiohttp import web

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
"""The option `transports` of `AsyncClient.connect`, by the name of the test's parameter."""

_TIMEOUT_SECONDS = 60.0


class Inbox:
    """The arguments of handlers' calls, in order."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, *arguments: Any) -> None:
        self._calls.put_nowait(arguments if len(arguments) != 1 else arguments[0])

    async def get(self) -> Any:
        """Return the argument of the next call, or a tuple of several."""
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await self._calls.get()

    async def get_many(self, count: int) -> list[Any]:
        return [await self.get() for _ in range(count)]

    @property
    def empty(self) -> bool:
        return self._calls.empty()


class ConnectedClient:
    """A connected client. `events` are `(event, *arguments)`, after the namespace if it is not `/`."""

    def __init__(self, http: aiohttp.ClientSession, namespaces: Sequence[str]) -> None:
        self.client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=http)
        self.events = Inbox()
        self.disconnects = Inbox()
        self.refusals = Inbox()
        self.answers: dict[str, Any] = {}
        """The client's acknowledgement of each event: a value, or a coroutine function that returns it."""
        for namespace in namespaces:
            self.client.on("*", self._receiver(namespace), namespace=namespace)
            self.client.on("disconnect", self._disconnected(namespace), namespace=namespace)
            self.client.on("connect_error", self.refusals.put, namespace=namespace)

    def _receiver(self, namespace: str) -> Callable[..., Awaitable[Any]]:
        async def receive(event: str, *arguments: Any) -> Any:
            self.events.put(*(() if namespace == "/" else (namespace,)), event, *arguments)
            answer = self.answers.get(event)
            return await answer() if callable(answer) else answer

        return receive

    def _disconnected(self, namespace: str) -> Callable[..., None]:
        return lambda *_: self.disconnects.put(namespace)

    @property
    def sid(self) -> str:
        return str(self.client.get_sid("/"))

    async def emit(self, event: str, data: Any = None, **options: Any) -> None:
        await self.client.emit(event, data, **options)

    async def call(self, event: str, data: Any = None, **options: Any) -> Any:
        return await self.client.call(event, data, timeout=_TIMEOUT_SECONDS, **options)

    async def event(self) -> Any:
        """Return the next event."""
        return await self.events.get()


class Harness:
    """A server of one type, and clients that connect to it by one transport."""

    def __init__(self, make_server: Callable[..., Any], transport: str) -> None:
        self.transport = transport
        self._make_server = make_server
        self._clients: list[ConnectedClient] = []
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._exits:
            for client in self._clients:
                await client.client.eio.disconnect(abort=True)  # otherwise it waits for a poll that stock never ends
            await self.http.close()

    async def serve(self, **options: Any) -> Any:
        """Start a server and return it. Handlers may be added until a client connects."""
        sio = self._make_server(**options)
        app = web.Application()
        sio.attach(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        http = cast(web.Server, runner.server)
        listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._exits.push_async_callback(_close, runner, listener)
        return sio

    async def connect(self, *namespaces: str, query: str = "", **options: Any) -> ConnectedClient:
        """Connect a client to these namespaces, or to `/`, by the transport."""
        client = ConnectedClient(self.http, namespaces or ["/"])
        self._clients.append(client)
        await client.client.connect(
            self.url + query,
            transports=TRANSPORTS[self.transport],
            namespaces=list(namespaces or ["/"]),
            **({"wait_timeout": _TIMEOUT_SECONDS} | options),
        )
        return client

    async def connect_many(self, count: int, *namespaces: str) -> list[ConnectedClient]:
        return [await self.connect(*namespaces) for _ in range(count)]

    async def refused(self, *namespaces: str, **options: Any) -> Any:
        """Connect a client that the server must refuse; return the refusal."""
        client = await self.connect(*namespaces, wait=False, **options)
        return await client.refusals.get()


async def _close(runner: web.AppRunner, listener: asyncio.Server) -> None:
    """Close the server, and wait until no connection is open."""
    all_closed = asyncio.create_task(listener.wait_closed())
    await asyncio.sleep(0)  # in Python 3.11, `wait_closed` must start before `close` to wait for connections
    listener.close()
    await runner.cleanup()
    await asyncio.wait_for(all_closed, _TIMEOUT_SECONDS)
