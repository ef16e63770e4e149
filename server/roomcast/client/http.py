"""The client's HTTP: one session, and every failure a `RoomcastError`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from roomcast.client.errors import NETWORK, RoomcastError, told

SILENCE_SECONDS = 60.0
"""How long a connection may bring nothing, or take nothing, before it is given up."""

_CONNECT_SECONDS = 10.0


class Link:
    """Requests to one server, as one viewer. Open while it is entered."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = URL(url)
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError("The server's URL must begin with http:// or https://.")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._heard = False

    async def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        # As many connections as there are uploads: each has a stream of its own.
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True
        )

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One call of the server, whose answer is good; a refusal is raised."""
        sent = {**self._headers, **(headers or {})}
        async with self._answer(method, self.at(path), headers=sent, allow_redirects=False, **rest) as response:
            yield response

    @asynccontextmanager
    async def fetch(self, link: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """What a signed link gives. It may lead to a bucket, so the token stays here."""
        async with self._answer("GET", self.at(link)) as response:
            yield response

    async def json(self, method: str, path: str, **rest: Any) -> Any:
        async with self.request(method, path, **rest) as response:
            return await response.json()

    def at(self, path: str) -> URL:
        """A path of this server, or a link of any other, in full."""
        return self._url.join(URL(path, encoded=True))

    @asynccontextmanager
    async def _answer(self, method: str, url: URL, **rest: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, url, **rest) as response:
                self._heard = True
                if not response.ok:
                    raise told(response.status, await _json_of(response))
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> RoomcastError:
        """Where nothing was ever heard, the address is more likely wrong than the server away."""
        message = f"{self._url.origin()} {_what(error)}."
        passing = self._heard and not isinstance(error, aiohttp.ContentTypeError)
        return RoomcastError(NETWORK, message, retryable=passing)


def _what(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "is not known: there is no such host"
        case aiohttp.ClientSSLError():
            return "has no certificate that holds"
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return "cannot be reached"
        case TimeoutError():
            return "does not answer"
        case aiohttp.ContentTypeError():
            return "does not answer like Roomcast"
    return "broke off the connection"


async def _json_of(response: aiohttp.ClientResponse) -> Any:
    if response.content_type != "application/json":
        return None
    try:
        return await response.json()
    except ValueError:
        return None
