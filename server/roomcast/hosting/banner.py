"""What a person at a terminal needs to know of a web process: its addresses, its data, who may call, how to stop it."""

from __future__ import annotations

from collections.abc import Iterator

from roomcast.http.middleware import ADMIN_PATH
from roomcast.http.pages import PAGE
from roomcast.runtime.logs.announcements import BannerRow
from roomcast.services.start.location import storage_location
from roomcast.settings.settings import Settings

DOCS = "/docs"


def web_facts(settings: Settings, address: str, *, application_authenticates: bool) -> Iterator[BannerRow]:
    """Yield the lines of the banner. `address` is where this process listens, such as `http://127.0.0.1:8000`."""
    base = f"{address}{settings.server.prefix}"
    yield "Demo", f"{base}{PAGE}"
    only = " (from this machine only)" if settings.auth.open_mode and not application_authenticates else ""
    yield "Admin", f"{base}{ADMIN_PATH}{only}"
    yield "API docs", f"{base}{DOCS}"
    if settings.server.public_url:
        yield "Public", settings.server.base_url
    yield "Data", storage_location(settings.storage)
    yield "Access", _access(settings, application_authenticates=application_authenticates)
    yield "Stop", "Press Ctrl-C."


def _access(settings: Settings, *, application_authenticates: bool) -> str:
    auth = settings.auth
    if application_authenticates:
        return "The application decides who may upload."
    if auth.auth_url:
        return "ROOMCAST_AUTH_URL decides who may upload."
    if auth.jwt_secret:
        return "Uploads need a token. `roomcast token USER` prints one."
    if auth.has_tokens:
        return f"Uploads need a token of {auth.jwt_issuer}."
    who = "everybody on this machine" if settings.server.loopback else "EVERYBODY who can reach this machine"
    return f"Open mode: {who} may upload and watch, without a token. Set JWT_SECRET to ask for tokens."
