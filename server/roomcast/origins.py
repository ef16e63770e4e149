"""Which page made a request: the CORS policy that HTTP and Socket.IO share, and the guard of open mode. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from roomcast.errors import Forbidden
from roomcast.forwarded import GetHeader, TrustedProxies, environ_headers

ANY = "*"
"""The value of `ROOMCAST_CORS_ORIGINS` that allows every origin, without cookies."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(:[0-9]{1,5})?", re.IGNORECASE)

_OTHER_SITES = frozenset({"same-site", "cross-site"})
"""The values of `Sec-Fetch-Site` for the page of another origin. Another port of the same host is `same-site`."""

_ANY_HEADERS: Mapping[str, str] = MappingProxyType({"Access-Control-Allow-Origin": ANY})
_VARY: Mapping[str, str] = MappingProxyType({"Vary": "Origin"})
_NONE: Mapping[str, str] = MappingProxyType({})


class PageHeaders(NamedTuple):
    """The headers of a request that say which page made it, and by which name the page reached this server.

    Browsers set them. A page can set none of them in a request to another origin, unless a preflight allows it.
    """

    origin: str | None
    """`Origin`: the page's origin. None for programs, for links, and for what a page reads from its own origin."""
    hosts: tuple[str, ...]
    """`Host`, and what a trusted proxy says that it was, in lower case."""
    scheme: str | None = None
    """The scheme by which a trusted proxy was called."""
    site: str | None = None
    """`Sec-Fetch-Site`: whether the browser holds the page for one of this server's origin."""
    unverified_host: str | None = None
    """`X-Forwarded-Host` of a peer that is no trusted proxy, in lower case. It permits nothing."""

    @classmethod
    def read(cls, get: GetHeader, peer: str, proxies: TrustedProxies) -> Self:
        """Read them from the headers of a request of `peer`, the address that the connection comes from."""
        forwarded, host = proxies.resolve(peer, get), get("host")
        hosts = tuple(name for name in ((host or "").lower(), forwarded.host) if name)
        unverified = None if proxies.trusts(peer) else get("x-forwarded-host")
        return cls(
            get("origin"), hosts, forwarded.scheme, get("sec-fetch-site"), unverified.lower() if unverified else None
        )

    @classmethod
    def of_environ(cls, environ: Mapping[str, str], proxies: TrustedProxies) -> Self:
        """Read them from a WSGI environ."""
        return cls.read(environ_headers(environ), environ.get("REMOTE_ADDR", ""), proxies)


class OriginPolicy:
    """The origins whose pages may call, besides the server's own: none, listed ones, or all (`["*"]`).

    A page of a listed origin may use cookies. With `*`, only the server's own pages may: every page can make a browser
    send its cookies, so any site could act in the name of its visitors.

    The server's own pages are those that the browser says are (`Sec-Fetch-Site: same-origin`), those of `public_url`,
    and, for browsers without that header, those of the request's host. A page by HTTP is then not one of a host that
    is reached by HTTPS: an attacker who controls the network can put any page there.
    """

    def __init__(self, origins: Iterable[str] = (), *, public_url: str | None = None) -> None:
        listed = frozenset(origins)
        self.any = ANY in listed
        self._listed = listed - {ANY}
        self._public = (_canonical(public_url) or "") if public_url else ""
        self.public_name = host_name(self._public.partition("://")[2])
        """The host of `public_url`, without its port."""

    def allows(self, page: PageHeaders) -> bool:
        """Return whether a page that reads the response may make this request."""
        return self.any or self.accepts_cookie(page)

    def accepts_cookie(self, page: PageHeaders, *, safe: bool = True) -> bool:
        """Return whether the request comes from an own page, a listed one, or none, so that a cookie may authenticate
        it.

        A `safe` request changes nothing. Without `Origin` it passes, because it may be a link on another site.
        """
        if page.origin is not None and page.origin in self._listed:
            return True
        if page.site in _OTHER_SITES:
            return safe and page.origin is None
        return page.origin is None or page.site == "same-origin" or self._is_own(page.origin, page)

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

    def is_listed(self, origin: str | None) -> bool:
        """Return whether the operator allows this origin by name or by `*`."""
        return self.any or origin in self._listed

    def _is_own(self, origin: str, page: PageHeaders) -> bool:
        scheme, _, host = origin.partition("://")
        if host and origin == self._public:
            return True
        if not host or host not in page.hosts:
            return False
        public_scheme, _, public_host = self._public.partition("://")
        served = page.scheme or (public_scheme if host == public_host else None)
        return scheme == "https" or (scheme == "http" and served != "https")


class OpenModeGuard:
    """Refuses, in open mode, what pages of other sites ask for. They need no credentials there, only a browser nearby.

    `loopback` says that only this machine can connect. Requests must then name it (`is_loopback_host`), or the public
    address: another site may let its own name resolve to this machine (DNS rebinding), and its pages would be ours.
    A server on a network is reached by names that it does not know, so names are not checked there.
    """

    def __init__(self, origins: OriginPolicy, *, loopback: bool) -> None:
        self._origins = origins
        self._loopback = loopback

    def check(self, page: PageHeaders, *, safe: bool) -> None:
        """Raise `Forbidden` unless the request may come from a page of this machine, or from no page.

        `safe` is False for a request that changes something, and for one that opens a WebSocket, which a page of any
        origin can read.
        """
        names = (*page.hosts, page.unverified_host) if page.unverified_host else page.hosts
        if self._loopback and not (page.hosts and all(map(self._is_own_name, names))):
            raise Forbidden(
                "Authentication is off, so this server can only be called by a name of its own machine, such as "
                "localhost. Set ROOMCAST_PUBLIC_URL if it has another address."
            )
        if page.origin is not None and self._origins.is_listed(page.origin):
            return
        foreign = self._loopback and page.origin is not None and not self._is_own_name(page.origin.partition("://")[2])
        if foreign or not (self._origins.any or self._origins.accepts_cookie(page, safe=safe)):
            raise Forbidden(
                "Authentication is off, so pages of other origins may not call this server. "
                "Name the origin in ROOMCAST_CORS_ORIGINS to allow it."
            )

    def _is_own_name(self, host: str) -> bool:
        name = host_name(host)
        return is_loopback_host(host) or (name is not None and name == self._origins.public_name)


def host_name(host: str) -> str | None:
    """Return the name or the IP address in a `Host` header, in lower case and without the port. None if it has none."""
    match = _HOST.fullmatch(host)
    return match["name"].lower().removesuffix(".").strip("[]") if match else None


def is_loopback_host(host: str) -> bool:
    """Return whether the name in a `Host` header always leads to the machine that the client runs on."""
    name = host_name(host)
    return name is not None and (name == "localhost" or name.endswith(".localhost") or is_loopback_address(name))


def is_loopback_address(address: str | None) -> bool:
    """Return whether this is a loopback address, of IPv4 (also inside an IPv6 one) or IPv6."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return ((found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found).is_loopback


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
