"""Who may see the admin view: an admin, or in open mode whoever sits at this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from aiohttp import web
from yarl import URL

from roomcast.auth import Authenticator
from roomcast.errors import Forbidden
from roomcast.uploads.viewer import Viewer

_RELAYED = ("forwarded", "x-forwarded-", "x-real-ip", "via")
"""What the headers that a proxy adds begin with."""


class AdminAccess:
    """Asked before anything of anybody's uploads is told."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.open_mode = authenticator.open_mode

    def check(self, request: web.Request, viewer: Viewer) -> None:
        """`Forbidden` for whoever may not."""
        if self.open_mode:
            peer = request.transport.get_extra_info("peername") if request.transport else None
            if not comes_from_here(peer[0] if peer else None, request.headers):
                raise Forbidden("Without credentials this is told to the server's own machine alone.")
        elif not viewer.admin:
            raise Forbidden("Only an admin may see this.")


def comes_from_here(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request was made on this machine, by something that meant it to come here.

    The connection must come from a loopback address. A proxy on this machine connects from there too: what it passes on
    carries a header that says so. And a page of another site may have had its own name resolved to us, or ask us from
    afar: then its name is in `Host` or in `Origin`.
    """
    host, origin = headers.get("Host", ""), headers.get("Origin")
    return (
        _is_loopback(peer)
        and not any(name.lower().startswith(_RELAYED) for name in headers)
        and _is_loopback(_name_in(f"http://{host}"))
        and (origin is None or origin == f"http://{host}")
    )


def _name_in(url: str) -> str | None:
    try:
        return URL(url).host
    except ValueError:
        return None


def _is_loopback(name: str | None) -> bool:
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
