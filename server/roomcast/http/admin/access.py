"""Access to the admin page: for admins, or without authentication for requests that come from this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from aiohttp import web
from yarl import URL

from roomcast.auth import Authenticator
from roomcast.errors import Forbidden
from roomcast.uploads.viewer import Viewer

_PROXY_HEADERS = ("forwarded", "x-forwarded-", "x-real-ip", "via")
"""Prefixes of the headers that a proxy adds."""


class AdminAccess:
    """Checks that a request may see the uploads of all users."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.open_mode = authenticator.open_mode

    def check(self, request: web.Request, viewer: Viewer) -> None:
        """Raise `Forbidden` if the request may not see the admin page."""
        if self.open_mode:
            peer = request.transport.get_extra_info("peername") if request.transport else None
            if not is_local_request(peer[0] if peer else None, request.headers):
                raise Forbidden("Authentication is off, so the admin page is only available from this machine.")
        elif not viewer.admin:
            raise Forbidden("Only an admin may see this.")


def is_local_request(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Return whether a request was made on this machine, by a client that meant to reach this server.

    The connection must come from a loopback address. A proxy on this machine connects from there too, but adds a header
    to what it forwards. A page of another site may have had its own name resolved to this machine, or may call from
    its own origin; then that name is in `Host` or in `Origin`.
    """
    host, origin = headers.get("Host", ""), headers.get("Origin")
    return (
        _is_loopback(peer)
        and not any(name.lower().startswith(_PROXY_HEADERS) for name in headers)
        and _is_loopback(_host_of(f"http://{host}"))
        and (origin is None or origin == f"http://{host}")
    )


def _host_of(url: str) -> str | None:
    try:
        return URL(url).host
    except ValueError:
        return None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
