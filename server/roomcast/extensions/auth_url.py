"""`ROOMCAST_AUTH_URL`: an application in another language authenticates callers. It is an `authenticate` function."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from typing import Any

from roomcast.credentials import CallerRequest
from roomcast.json_requests import JsonRequests, NoAnswer
from roomcast.uploads.viewer import Viewer

CACHE_SECONDS = 20.0
"""How long an answer about the same credentials is used again."""

REFUSAL_SECONDS = 2.0
"""How long a refusal of the same credentials is used again: a user who signs in should not wait."""

_MAX_CACHED = 10_000


class UrlAuthentication:
    """Asks a URL who sends a request's cookies and `Authorization` header.

    It answers `{"user": "7", "admin": false, "expires": 1767225600}`, of which only `user` is needed, or 401 or 403 for
    unknown credentials. `expires` is a Unix time. Simultaneous requests with the same credentials ask once.
    """

    def __init__(self, requests: JsonRequests) -> None:
        self._requests = requests
        self._cached: OrderedDict[bytes, tuple[float, Viewer | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Viewer | None]] = {}

    async def __call__(self, request: CallerRequest) -> Viewer | None:
        """Return who makes a request. Raise `NoAnswer`."""
        credentials = forwarded_credentials(request)
        if not credentials:
            return None
        key = hashlib.sha256("\0".join(f"{name}: {credentials.get(name)}" for name in _NAMES).encode()).digest()
        known_until, viewer = self._cached.get(key, (0.0, None))
        if known_until > time.monotonic():
            return viewer
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, credentials), name="authentication")
            task.add_done_callback(lambda done: self._asked(key, done))
        await asyncio.wait({task})  # unlike awaiting it, this does not pass a cancellation on to it
        return task.result()

    async def _ask(self, key: bytes, credentials: dict[str, str]) -> Viewer | None:
        viewer = _viewer(self._requests.url, *await self._requests.send("GET", credentials))
        seconds = REFUSAL_SECONDS if viewer is None else CACHE_SECONDS
        if viewer and viewer.expires_at is not None:
            seconds = min(seconds, viewer.expires_at - time.time())
        self._cached[key] = (time.monotonic() + seconds, viewer)
        self._cached.move_to_end(key)
        while len(self._cached) > _MAX_CACHED:
            self._cached.popitem(last=False)
        return viewer

    def _asked(self, key: bytes, task: asyncio.Task[Viewer | None]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # those who wait for it raise it; there may be none left


_NAMES = ("Cookie", "Authorization")


def forwarded_credentials(request: CallerRequest) -> dict[str, str]:
    """Return the headers with a request's credentials. A Socket.IO client's token is sent as a bearer token."""
    found = {}
    if cookies := "; ".join(request.headers.getall("Cookie", ())):
        found["Cookie"] = cookies
    if authorization := request.headers.get("Authorization"):
        found["Authorization"] = authorization
    elif request.token:
        found["Authorization"] = f"Bearer {request.token}"
    return {name: value for name, value in found.items() if value.isprintable()}


def _viewer(url: str, status: int, body: Any) -> Viewer | None:
    """Return the viewer of a response, None for 401 and 403. Raise `NoAnswer` for any other response."""
    if status in (401, 403):
        return None
    if status != 200:
        raise NoAnswer(f"The URL {url} answered with the status {status} instead of 200, 401 or 403.")
    if not (isinstance(body, dict) and isinstance(body.get("user"), str) and body["user"]):
        raise NoAnswer(f"The URL {url} answered without a JSON object that has the string `user`.")
    admin, expires = body.get("admin", False), body.get("expires")
    number = isinstance(expires, int | float) and not isinstance(expires, bool)
    if not isinstance(admin, bool) or not (expires is None or number):
        raise NoAnswer(
            f"The URL {url} answered with an `admin` that is no boolean, or an `expires` that is no Unix time."
        )
    return Viewer(body["user"], admin=admin, expires_at=expires)
