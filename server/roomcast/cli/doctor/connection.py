"""Requests of the doctor. A failure is a value, because it is what the doctor looks for."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

QUICK_SECONDS = 15.0
_READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """A response that was read to its end, or as far as it came. `arrivals` are the times of its chunks in seconds
    since the request began, `seconds` is the time of its end, and `error` says why it has none."""

    status: int = 0
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))
    body: bytes = b""
    arrivals: tuple[float, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip()

    def json(self) -> dict[str, Any]:
        """Return the object in the body; an empty one if there is none."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def describe(self) -> str:
        """Return how the request ended: `was answered with 413`."""
        return f"broke off after {self.seconds:.1f} s" if self.error else f"was answered with {self.status}"


class Connection:
    """Sends requests to the server at `url`, which may have a path. Every request has a connection of its own, as those
    of different browsers have."""

    def __init__(self, url: str, token: str | None, tls: ssl.SSLContext | None = None) -> None:
        """Raise `ValueError` for a URL that is none of HTTP."""
        try:
            self.url = URL(url.rstrip("/"))
        except ValueError as error:
            raise ValueError("The server's URL is not valid.") from error
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError("The server's URL must begin with http:// or https://.")
        self.token = token
        self.refused_busy = False
        """Whether the server has refused a request because it answers too many others."""
        self._tls = tls

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=self._tls or True)
        jar = aiohttp.CookieJar(unsafe=True)  # load balancers bind clients by cookies, also to an IP address
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def target(self, path: str) -> URL:
        """Return the URL of a path below the server's."""
        return URL(f"{self.url}{path}", encoded=True)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        limit_seconds: float = QUICK_SECONDS,
        head_only: bool = False,
    ) -> Reply:
        """Send a request and read its response. `head_only` closes the connection after the response's head."""
        credentials = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {"Accept-Encoding": "identity", **credentials, **(headers or {})}
        began, arrivals, received = time.monotonic(), list[float](), bytearray()
        status, answered = 0, CIMultiDictProxy[str](CIMultiDict())
        error = ""
        try:
            async with (
                asyncio.timeout(limit_seconds),
                self._session.request(
                    method, self.target(path), headers=sent, data=body, allow_redirects=False
                ) as response,
            ):
                status, answered = response.status, response.headers
                self.refused_busy |= status == 429
                while not head_only and (chunk := await response.content.read(_READ_BYTES)):
                    arrivals.append(time.monotonic() - began)
                    received += chunk
                if head_only:
                    response.close()
        except TimeoutError:
            error = "There was no answer in time."
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError, ValueError) as failure:
            error = str(failure) or type(failure).__name__
        seconds = time.monotonic() - began
        return Reply(status, answered, bytes(received), tuple(arrivals), seconds, error)

    async def websocket(self, path: str, *, open_seconds: float) -> Reply:
        """Open an Engine.IO WebSocket, answer its pings for some seconds, and close it. A reply with status 101 and no
        error means that it was open all the time."""
        began, opened = time.monotonic(), False
        try:
            async with asyncio.timeout(QUICK_SECONDS):
                socket = await self._session.ws_connect(self.target(path))
                opened = (await socket.receive_str()).startswith("0")
            async with socket:
                until = time.monotonic() + open_seconds
                while (left := until - time.monotonic()) > 0:
                    try:
                        message = await socket.receive(timeout=left)
                    except TimeoutError:
                        break
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return Reply(101, seconds=time.monotonic() - began, error="The connection was closed.")
                    if message.data == "2":
                        await socket.send_str("3")
        except aiohttp.WSServerHandshakeError as refused:
            return Reply(refused.status, seconds=time.monotonic() - began)
        except (aiohttp.ClientError, ConnectionError, TimeoutError, TypeError) as failure:
            return Reply(101 if opened else 0, seconds=time.monotonic() - began, error=str(failure) or "No answer.")
        return Reply(101 if opened else 0, seconds=time.monotonic() - began)
