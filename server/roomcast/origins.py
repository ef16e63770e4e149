"""The CORS policy that HTTP and Socket.IO share: which origins may call, and the response headers for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

ANY = "*"
"""The value of `ROOMCAST_CORS_ORIGINS` that allows every origin, without cookies."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")

_ANY_HEADERS: Mapping[str, str] = MappingProxyType({"Access-Control-Allow-Origin": ANY})
_VARY: Mapping[str, str] = MappingProxyType({"Vary": "Origin"})
_NONE: Mapping[str, str] = MappingProxyType({})


class OriginPolicy:
    """The origins whose pages may call, besides the server's own: none, listed ones, or all (`["*"]`).

    A page of a listed origin may use cookies. With `*`, only the server's own pages may: every page can make a browser
    send its cookies, so any site could act in the name of its visitors.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        listed = frozenset(origins)
        self.any = ANY in listed
        self._listed = listed - {ANY}

    def allows(self, origin: str | None, *hosts: str) -> bool:
        """Return whether a request with this `Origin` header is allowed.

        A request without the header (None) does not come from a page of another origin. `hosts` are the host names of
        the server's own pages (`own_hosts`).
        """
        return self.any or self.accepts_cookie(origin, *hosts)

    def accepts_cookie(self, origin: str | None, *hosts: str) -> bool:
        """Return whether a cookie in a request with this `Origin` header may authenticate it. See `allows`."""
        if origin is None or origin in self._listed:
            return True
        host = _host(origin)
        return bool(host) and host in hosts

    def response_headers(self, origin: str | None) -> Mapping[str, str]:
        """Return the CORS headers of a response, and `Vary` if they depend on the origin."""
        if self.any:
            return _ANY_HEADERS
        if origin is not None and origin in self._listed:
            return {
                **_VARY,
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
            }
        return _VARY if self._listed else _NONE


def own_hosts(headers: Mapping[str, str]) -> list[str]:
    """Return the host names by which a client reached this server: of `Host` and `X-Forwarded-Host`.

    A page of another origin cannot set either header.
    """
    forwarded = headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
    return [host for host in (headers.get("Host"), forwarded) if host]


def check_origins(origins: Iterable[str]) -> None:
    """Raise `ValueError`, with a full sentence, for an entry that no browser sends as an `Origin` header."""
    listed = list(origins)
    if ANY in listed and len(set(listed)) > 1:
        raise ValueError("The entry * allows every origin: remove it, or the other origins.")
    for origin in listed:
        if origin != ANY:
            _check_origin(origin)


def _check_origin(origin: str) -> None:
    canonical = _canonical(origin)
    if canonical == origin and _ORIGIN.fullmatch(origin):
        return
    hint = (
        f" Write {canonical}."
        if canonical and _ORIGIN.fullmatch(canonical)
        else " An example is https://app.example.com."
    )
    raise ValueError(
        f"The entry {origin!r} is not an origin as browsers send it: a scheme, a host and an optional port, without a "
        f"slash at the end.{hint}"
    )


def _canonical(origin: str) -> str | None:
    """Return the origin of a URL in the form that browsers send, or None if the URL has none."""
    if "://" not in origin:
        return None
    try:
        url = urlsplit(origin)
        port = url.port
        host = (url.hostname or "").encode("ascii" if url.hostname and url.hostname.isascii() else "idna")
    except ValueError:
        return None
    name = host.decode()
    if ":" in name:  # an IPv6 address
        name = f"[{name}]"
    return f"{url.scheme}://{name}" + (f":{port}" if port and port != _DEFAULT_PORTS.get(url.scheme) else "")


def _host(origin: str) -> str:
    """Return the host and port of an origin. Behind a proxy that ends TLS, the server sees another scheme."""
    return origin.partition("://")[2]
