"""A webhook receiver on loopback that records requests and responds as a test sets it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.harness import eventually

SECRET = "a secret of the receiver's"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class ReceivedRequest:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> dict[str, Any]:
        """Return the assembly's status in the body."""
        status: dict[str, Any] = orjson.loads(self.body)
        return status

    @property
    def delivery(self) -> str:
        return self.headers["X-Roomcast-Delivery"]

    def check_signatures(self) -> None:
        """As a receiver would, from what is documented alone."""
        plain = hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()
        assert self.headers["X-Transflow-Signature"] == f"sha256={plain}"
        parts = dict(part.split("=") for part in self.headers["X-Roomcast-Signature"].split(","))
        timed = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + self.body, hashlib.sha256).hexdigest()
        assert parts["v1"] == timed


class Receiver:
    """A context: inside it the receiver listens at `url`."""

    def __init__(self) -> None:
        self.received: list[ReceivedRequest] = []
        self.answer: Answer = self.thank
        self.is_over = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app, skip_url_asserts=True)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_over.set()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/hook"))

    @property
    def port(self) -> int:
        port = self._server.port
        assert port is not None
        return port

    async def thank(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="thank you")

    async def fail(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    async def fail_once(self, request: web.Request) -> web.StreamResponse:
        """Answer 500, and thank for every request after this one."""
        self.answer = self.thank
        return await self.fail(request)

    async def hang(self, _: web.Request) -> web.StreamResponse:
        """No answer before the test is over."""
        await self.is_over.wait()
        return web.Response()

    async def until(self, count: int, deadline: float = 60.0) -> list[ReceivedRequest]:
        """What was heard, once it is so many requests."""
        await eventually(lambda: len(self.received) >= count, deadline, what=f"request {count} to the webhook")
        return self.received

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(ReceivedRequest(dict(request.headers), await request.read()))
        return await self.answer(request)
