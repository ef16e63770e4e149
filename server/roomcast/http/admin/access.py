"""Access to the admin page: for admins, or without authentication for requests that come from this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from roomcast.errors import Forbidden
from roomcast.origins import is_loopback_address, is_loopback_host
from roomcast.services.authentication import Authenticator
from roomcast.uploads.viewer import Viewer

_PROXY_HEADERS = re.compile(
    r"forwarded|^(via|cdn-loop|eagleid|x-scheme|x-request-start|x-cloud-trace-context)$|^(x-)?(real|remote|original|originating|true|cluster|client|connecting|proxy(user)?)-"
    r"|(^|-)(client-?|real-?|remote-?)?(ip|addr|address)$"
    r"|^(cf|fly|fastly|ngrok|tailscale|akamai|wl-proxy|x-(envoy|amz|amzn|appengine|azure|arr|vercel|nf|sucuri|proxy))-",
    re.IGNORECASE,
)
"""Names of the headers that proxies, load balancers and content networks add: who called them, and what they are."""


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
        is_loopback_address(peer)
        and not any(_PROXY_HEADERS.search(name) for name in headers)
        and is_loopback_host(host)
        and (origin is None or origin == f"http://{host}")
    )
