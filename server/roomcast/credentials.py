"""The credentials in a request: what an application's `authenticate` gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal

from multidict import CIMultiDict, CIMultiDictProxy

_SENT_BY_BROWSERS = frozenset({"basic", "digest", "negotiate", "ntlm"})
"""The schemes of `Authorization` that browsers answer by themselves, also for the pages of other sites."""


@dataclass(frozen=True)
class CallerRequest:
    """The HTTP request or the Socket.IO handshake of a caller who is to be authenticated.

    `headers` are found in any case. `path` begins below the prefix. `remote` is the network address of the client, or
    of a proxy that is not trusted. `auth` is what a Socket.IO client has sent as its `auth` option; None for HTTP.

    When a page of another site has made the request, what browsers send by themselves is left out (cookies, and
    passwords that they remember): it would let that page act in its visitors' names.
    """

    surface: Literal["http", "socket"]
    method: str
    path: str
    headers: CIMultiDictProxy[str]
    query: Mapping[str, str]
    remote: str
    auth: Any = None

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name. Of two with one name the first counts, which is the more specific one."""
        return parse_cookies("; ".join(self.headers.getall("Cookie", ())))

    @property
    def token(self) -> str | None:
        """The token of a Socket.IO client's `auth`, or else of the header `Authorization: Bearer`; None without one."""
        if isinstance(self.auth, dict) and isinstance(token := self.auth.get("token"), str):
            return token
        return bearer(self.headers)

    def without_browser_credentials(self) -> CallerRequest:
        """Return the request without what browsers send by themselves; the request itself if it has nothing of it."""
        left = CIMultiDict((name, value) for name, value in self.headers.items() if not _is_ambient(name, value))
        return self if len(left) == len(self.headers) else replace(self, headers=CIMultiDictProxy(left))


current_caller: ContextVar[CallerRequest | None] = ContextVar("current_caller", default=None)
"""The request that is being served in this context, once it is authenticated."""


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies in a `Cookie` header by name."""
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies.setdefault(name.strip(), value.strip().strip('"'))
    return cookies


def _is_ambient(name: str, value: str) -> bool:
    scheme = value.partition(" ")[0].lower()
    return name.lower() == "cookie" or (name.lower() == "authorization" and scheme in _SENT_BY_BROWSERS)
