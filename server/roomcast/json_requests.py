"""Ask one URL of the operator's, and read a small JSON response: bounded in time, size and connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import orjson

_SECONDS = 5.0
"""The time limit for name resolution, connection, request and response together."""

_MAX_BYTES = 64 * 1024
_CONNECTIONS = 32


class NoAnswer(Exception):
    """A URL did not answer as it must. The message says how."""


class JsonResponse(NamedTuple):
    """A response with its JSON; None if its body is not JSON."""

    status: int
    body: Any


class JsonRequests:
    """Sends requests to one URL. Redirects are not followed: they are responses of an unexpected status."""

    def __init__(self, url: str, *, seconds: float = _SECONDS, max_bytes: int = _MAX_BYTES) -> None:
        self.url = url
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def send(self, method: str, headers: Mapping[str, str], body: Any = None) -> JsonResponse:
        """Send a request, with `body` as JSON unless it is None. Raise `NoAnswer`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Nothing is inflated: a few bytes could become a gigabyte.
                headers={"User-Agent": "Roomcast", "Accept": "application/json", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        sent = {**headers, **({} if body is None else {"Content-Type": "application/json"})}
        data = None if body is None else orjson.dumps(body)
        try:
            async with self._session.request(
                method, self.url, headers=sent, data=data, allow_redirects=False
            ) as response:
                return JsonResponse(response.status, _parsed(await self._read(response)))
        except TimeoutError:
            raise NoAnswer(f"The URL {self.url} did not answer within {self._seconds:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(f"The URL {self.url} cannot be asked: {error}.") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > self._max_bytes:
                response.close()
                raise NoAnswer(f"The URL {self.url} answered with more than {self._max_bytes} bytes.")
        return bytes(content)


def check_http_url(url: str) -> str:
    """Return a URL that can be asked; raise `ValueError` for another one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("It must be an https:// or http:// URL.")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("It must have neither credentials nor a fragment.")
    return url


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
