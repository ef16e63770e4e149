"""HTTP requests of the client. Every failure is raised as a `ClientError`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from roomcast.client.errors import NETWORK, ClientError, error_from_response

SILENCE_SECONDS = 60.0
"""How long a connection may transfer no byte before it is closed."""

_CONNECT_SECONDS = 10.0


class HttpConnection:
    """Sends requests to one server with one token, from `open` to `close`."""

    def __init__(self, url: str, token: str | None) -> None:
        try:
            base = URL(url).with_query(None).with_fragment(None)
        except ValueError as error:
            raise ValueError("The server's URL is not valid.") from error
        # Its path is a prefix, below which the API is.
        self._url = base.with_path(f"{base.raw_path.rstrip('/')}/", encoded=True) if base.host else base
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError("The server's URL must begin with http:// or https://.")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connected = False

    async def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        # No limit: every upload that is watched has an event stream, which occupies a connection.
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
        """Send a request to the server and return its response. Raises the error of an error response."""
        sent = {**self._headers, **(headers or {})}
        async with self._request(method, self.url(path), headers=sent, allow_redirects=False, **rest) as response:
            yield response

    @asynccontextmanager
    async def fetch(self, link: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Request a signed link, without the token, because the link may lead to another server."""
        async with self._request("GET", self.url(link)) as response:
            yield response

    async def json(self, method: str, path: str, **rest: Any) -> Any:
        async with self.request(method, path, **rest) as response:
            try:
                return await response.json()
            except ValueError:  # it says that it is JSON, and is not
                raise ClientError(NETWORK, f"{self._url.origin()} is not a Roomcast server.") from None

    def url(self, path: str) -> URL:
        """Return the absolute URL of a relative path, such as `api/uploads`, or of a link that the server has sent."""
        return self._url.join(URL(path, encoded=True))

    @asynccontextmanager
    async def _request(self, method: str, url: URL, **rest: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, url, **rest) as response:
                self._connected = True
                if not response.ok:
                    error = error_from_response(response.status, await _read_json(response))
                    error.anonymous = not self._headers
                    raise error
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> ClientError:
        """Make the error of a failed connection.

        It is retryable once the server has answered. Before that, a wrong address is more likely than an outage.
        """
        message = f"{self._url.origin()} {_describe(error)}."
        retryable = self._connected and not isinstance(error, aiohttp.ContentTypeError)
        return ClientError(NETWORK, message, retryable=retryable)


def _describe(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "cannot be found: there is no such host"
        case aiohttp.ClientSSLError():
            return "has no valid certificate"
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return "cannot be reached"
        case TimeoutError():
            return "does not answer"
        case aiohttp.ContentTypeError():
            return "is not a Roomcast server"
    return "closed the connection"


async def _read_json(response: aiohttp.ClientResponse) -> Any:
    if response.content_type != "application/json":
        return None
    try:
        return await response.json()
    except ValueError:
        return None
