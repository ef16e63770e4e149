"""Which web pages of other origins may call, and what a browser is told about it. Pure; HTTP and Socket.IO share it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

ANY = "*"
"""In `ROOMCAST_CORS_ORIGINS`: pages of every origin may call, without cookies."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")

_ANY_HEADERS: Mapping[str, str] = MappingProxyType({"Access-Control-Allow-Origin": ANY})
_VARY: Mapping[str, str] = MappingProxyType({"Vary": "Origin"})
_NONE: Mapping[str, str] = MappingProxyType({})


class OriginPolicy:
    """The origins whose pages may call beside the server's own: none, those that are named, or `["*"]` for all.

    A page of a named origin may use the browser's cookies. Under `*` none may but the server's own: any page can make
    a browser send its cookies, so they would let every site act for whoever visits it.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        named = frozenset(origins)
        self.any = ANY in named
        self._named = named - {ANY}

    def allows(self, origin: str | None, *hosts: str) -> bool:
        """Whether a request with this `Origin` header may be served. Without the header it is not another site's page
        that calls, and `hosts` are the names under which the server was reached: those of its own pages."""
        return self.any or self.accepts_cookie(origin, *hosts)

    def accepts_cookie(self, origin: str | None, *hosts: str) -> bool:
        """Whether a cookie that came with this `Origin` header counts as a credential."""
        if origin is None or origin in self._named:
            return True
        host = _host(origin)
        return bool(host) and host in hosts

    def response_headers(self, origin: str | None) -> Mapping[str, str]:
        """The headers by which a browser lets the page that called read the response; caches are told what they depend
        on."""
        if self.any:
            return _ANY_HEADERS
        if origin is not None and origin in self._named:
            return {
                **_VARY,
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
            }
        return _VARY if self._named else _NONE


def own_hosts(headers: Mapping[str, str]) -> list[str]:
    """The names under which a client reached this server, directly or through a proxy that passes the name on. (Pages
    of other origins cannot set either header.)"""
    forwarded = headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
    return [host for host in (headers.get("Host"), forwarded) if host]


def check_origins(origins: Iterable[str]) -> None:
    """Raise `ValueError` with a sentence for the first entry that no browser would ever send as its `Origin`."""
    listed = list(origins)
    if ANY in listed and len(set(listed)) > 1:
        raise ValueError("* allows every origin, so no other origin can stand beside it: remove * or the others.")
    for origin in listed:
        if origin != ANY:
            _check_origin(origin)


def _check_origin(origin: str) -> None:
    sent = _canonical(origin)
    if sent == origin and _ORIGIN.fullmatch(origin):
        return
    hint = f" Write {sent}." if sent and _ORIGIN.fullmatch(sent) else " An example is https://app.example.com."
    raise ValueError(
        f"{origin!r} is not an origin as browsers send it: a scheme, a host and no more than a port, without a slash "
        f"at the end.{hint}"
    )


def _canonical(origin: str) -> str | None:
    """The origin of the page with this address, as a browser writes it; None when it has none."""
    if "://" not in origin:
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
        host = (parts.hostname or "").encode("ascii" if parts.hostname and parts.hostname.isascii() else "idna")
    except ValueError:
        return None
    name = host.decode()
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port and port != _DEFAULT_PORTS.get(parts.scheme) else "")


def _host(origin: str) -> str:
    """The host and port of an origin. Its scheme is left out: behind a proxy that ends TLS the server sees another."""
    return origin.partition("://")[2]
