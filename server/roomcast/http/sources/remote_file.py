"""Read files of other servers by HTTP: from public addresses only, in ranges where that is possible.

Every address is checked when it is connected to, also those that redirects lead to, so that no client can read
what only this server can reach.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from roomcast.assemblies.webhooks.ssrf import NotPublic, guarded_session, is_public
from roomcast.errors import AddressRefused, ImportFailed, Interrupted, UnsupportedType
from roomcast.http.intake.pipeline import Chunks

_MAX_URL = 2048
_MAX_REDIRECTS = 5
_CONNECT_SECONDS = 10.0
_HEADER_SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{0,1000}"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class RemoteFile:
    """The bytes of a remote file from `offset` on. `size` is that of the whole file, if the server declares it; `etag`
    is its strong entity tag, by which a later request can continue."""

    offset: int
    size: int | None
    etag: str | None
    chunks: Chunks


def check_url(url: str, *, private: bool) -> None:
    """Raise `AddressRefused` unless this can be the URL of a file to import."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0  # the property raises ValueError for an invalid port
        (URL(url).raw_host or "").encode("idna")  # as before a connection; a label has 1 to 63 bytes
    except ValueError as error:
        raise AddressRefused("The address of the file is not a valid URL.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid or len(url) > _MAX_URL:
        raise AddressRefused("The address of the file must be an http:// or https:// URL.")
    if any(char <= " " or char == "\x7f" for char in url) or "@" in parts.netloc:
        raise AddressRefused("The address of the file must have no spaces and no credentials.")
    if not private and _is_private_literal(parts.hostname):
        raise AddressRefused(_NOT_PUBLIC)


def filename_of(url: str) -> str:
    """Return the name of the file that a URL leads to, as far as the URL says."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


class RemoteFiles:
    """Opens remote files. With `private`, also those of servers that are not on the public Internet."""

    def __init__(self, *, private: bool) -> None:
        self.private = private
        self._session = guarded_session(
            private=private,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=None),
            headers={"Accept-Encoding": "identity"},
            requote_redirect_url=False,
        )

    @asynccontextmanager
    async def open(self, url: str, *, offset: int = 0, etag: str | None = None) -> AsyncIterator[RemoteFile]:
        """Open a file from `offset` on, if it is still the one with the `etag`; otherwise from its beginning.

        Raise `AddressRefused`, `UnsupportedType` for a web page, `Interrupted` if another try may succeed, and
        `ImportFailed` if it would not.
        """
        headers = {"Range": f"bytes={offset}-", "If-Range": etag} if offset and etag else {}
        response = await self._follow(url, headers)
        try:
            yield _opened(response, offset if headers else 0)
        finally:
            response.close()

    async def close(self) -> None:
        await self._session.close()

    async def _follow(self, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """Return the response at the end of the redirects."""
        for _ in range(_MAX_REDIRECTS + 1):
            check_url(url, private=self.private)
            response = await self._get(url, headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise AddressRefused("The file's address redirects to one that is not a valid URL.") from error
        raise ImportFailed(f"The address of the file redirects more than {_MAX_REDIRECTS} times.")

    async def _get(self, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_HEADER_SECONDS)
            return await self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout)
        except aiohttp.ClientConnectorDNSError as error:
            raise Interrupted("The host name of the file's address could not be resolved.") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPublic):
                raise AddressRefused(_NOT_PUBLIC) from error
            raise Interrupted("The server of the file cannot be reached.") from error
        except aiohttp.InvalidURL as error:
            raise AddressRefused("The address of the file is not a valid URL.") from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, NotPublic):
                raise AddressRefused(_NOT_PUBLIC) from error
            raise Interrupted("The connection to the server of the file was lost.") from error


_NOT_PUBLIC = "The address of the file is not on the public Internet."


def _is_private_literal(host: str) -> bool:
    try:
        return host.lower().rstrip(".") == "localhost" or not is_public(host)
    except ValueError:
        return False  # a name, whose addresses are checked when it is connected to


def _opened(response: aiohttp.ClientResponse, offset: int) -> RemoteFile:
    """Check the head of a response and return its file."""
    status = response.status
    if status in _RETRIED:
        raise Interrupted(f"The server of the file answers with the status {status}.")
    if status not in (200, 206):
        raise ImportFailed(f"The server of the file answers with the status {status}.")
    if response.content_type in _WEB_PAGES:
        raise UnsupportedType("The address leads to a web page and not to a file.")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ImportFailed("The server of the file sends it compressed.")
    etag = response.headers.get("ETag", "")
    size = response.content_length
    start = 0
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != offset or not offset:
            raise ImportFailed("The server of the file sends another range than was requested.")
        start, size = offset, int(found[3])
    return RemoteFile(start, size, etag if _STRONG_ETAG.fullmatch(etag) else None, response.content.iter_any())
