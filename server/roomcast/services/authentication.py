"""Authenticate callers of every surface: by the application's own function, by tokens, or not at all (open mode)."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, Protocol

from roomcast.assemblies.links import TOKEN_PREFIX
from roomcast.auth.tokens import MAX_EXPIRY, check_user_id
from roomcast.credentials import CallerRequest, current_caller
from roomcast.errors import Forbidden, Unauthenticated
from roomcast.extensions.calls import FunctionCalls
from roomcast.extensions.contract import Authenticate
from roomcast.origins import OriginPolicy, PageHeaders
from roomcast.uploads.viewer import ANONYMOUS, Viewer


class TokenSource(Protocol):
    """Knows who a token names."""

    async def viewer(self, token: str) -> Viewer:
        """Return the viewer of a valid token, or raise `Unauthenticated`."""
        ...


class Authenticator:
    """Finds the viewer of a request: first by the application's function, then by its token.

    Without both, in open mode, every caller is `anonymous`. `loopback` says whether only this machine can reach the
    server.
    """

    def __init__(
        self,
        origins: OriginPolicy,
        *,
        tokens: TokenSource | None = None,
        links: TokenSource | None = None,
        function: Authenticate | None = None,
        calls: FunctionCalls | None = None,
        cookie: str,
        loopback: bool,
    ) -> None:
        """`links` knows the tokens of lasting links. `cookie` is the name of the cookie that may carry a token."""
        self.open_mode = tokens is None and function is None
        # In open mode the id of an upload is the right to it, so a list for every caller would give the rights away.
        self.can_list = loopback or not self.open_mode
        self._origins = origins
        self._tokens = tokens
        self._links = links
        self._function = function
        self._calls = calls or FunctionCalls()
        self._cookie = cookie

    async def viewer(self, request: CallerRequest, page: PageHeaders, *, safe: bool) -> Viewer:
        """Return who makes a request, of a page that `page` describes. A `safe` request changes nothing.

        A browser also sends cookies with the requests of other sites' pages. A change that comes with a cookie must
        therefore come from a page of this server or of a named origin. If every origin is allowed, a cookie from
        another origin is ignored. (A page cannot read the response to a safe request of another origin.)

        Raise `Unauthenticated` for unknown credentials, `Forbidden` for another site's page, and what the function
        raises.
        """
        if self._links and request.token and request.token.startswith(TOKEN_PREFIX):
            return await self._links.viewer(request.token)
        if self.open_mode:
            current_caller.set(request)
            return Viewer(ANONYMOUS)
        trusted = self._origins.accepts_cookie(page, safe=safe) or (safe and not self._origins.any)
        asked = request if trusted else request.without_browser_credentials()
        current_caller.set(asked)
        if viewer := await self._by_function(asked):
            return viewer
        token = asked.token or asked.cookies.get(self._cookie)
        if self._tokens and token:
            return await self._tokens.viewer(token)
        if request.surface == "http" and not self._origins.any and self._would_count(request, asked):
            raise Forbidden("A page of another site may not do this with your cookie.")
        raise Unauthenticated("A token is required." if self._function is None else "You are not signed in.")

    def _would_count(self, request: CallerRequest, asked: CallerRequest) -> bool:
        """Return whether something was left out of a request that might have authenticated it."""
        return asked is not request and (self._function is not None or self._cookie in request.cookies)

    async def _by_function(self, request: CallerRequest) -> Viewer | None:
        if self._function is None:
            return None
        found = await self._calls.call(self._function, request)
        if found is None:
            return None
        if reason := _mistake(found):
            raise self._calls.fail(self._function, reason)
        if found.expires_at is not None and found.expires_at <= time.time():
            raise Unauthenticated("The session has expired.")
        viewer: Viewer = found
        return replace(viewer, expires_at=found.expires_at and float(min(found.expires_at, MAX_EXPIRY)), address="")


def _mistake(found: Any) -> str | None:
    """Return what is wrong with a function's viewer, or None."""
    if not isinstance(found, Viewer):
        return f"It returned {_described(found)} instead of a Viewer or None."
    if not isinstance(found.user, str):
        return f"The user of its Viewer is {_described(found.user)} instead of a str."
    if not isinstance(found.admin, bool):
        return f"The admin of its Viewer is {_described(found.admin)} instead of a bool."
    expires_at = found.expires_at
    number = isinstance(expires_at, int | float) and not isinstance(expires_at, bool)
    if expires_at is not None and not (number and -math.inf < expires_at < math.inf):
        return f"The expires_at of its Viewer is {_described(expires_at)} instead of a Unix time."
    try:
        check_user_id(found.user)
    except Unauthenticated as error:
        return error.message
    return None


def _described(thing: object) -> str:
    return f"an object of the type {type(thing).__name__}"
