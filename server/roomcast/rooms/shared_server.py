"""The Socket.IO server of uploads, which an application shares: it adds its own events and namespaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from inspect import isawaitable
from typing import Any

from socketio.exceptions import ConnectionRefusedError as ConnectionRefused

from roomcast.rooms.server import SocketIOServer
from roomcast.uploads.viewer import Viewer

MAIN = "/"
"""The namespace of uploads."""

_CONNECTION = frozenset({"connect", "disconnect"})

SocketHandler = Callable[..., Any]


class SharedServer(SocketIOServer):
    """A `SocketIOServer` whose main namespace has handlers that an application cannot replace.

    The application's own handlers of `connect` and `disconnect` of that namespace are called after them: only for
    clients that are authenticated. Handlers may be added before the server runs, and while it does.
    """

    def __init__(self, own_events: Collection[str], **options: Any) -> None:
        """`own_events` are the names that are not the application's."""
        self._own_events = frozenset(own_events) | _CONNECTION
        self._application: dict[str, SocketHandler] = {}
        self._authenticate: Callable[[Mapping[str, Any], Any], Awaitable[Viewer]] | None = None
        self._viewer: Callable[[str], Viewer] | None = None
        super().__init__(**options)

    def on(self, event: str, handler: SocketHandler | None = None, namespace: str | None = None) -> Any:
        """Add an application's handler, as `socketio.AsyncServer.on` does. Raise `ValueError` for an event that is
        Roomcast's."""
        if (namespace or MAIN) != MAIN or event not in self._own_events:
            return super().on(event, handler, namespace)
        if event not in _CONNECTION:
            raise ValueError(f"The event {event!r} of the main namespace is Roomcast's. Choose another name.")

        def add(function: SocketHandler) -> SocketHandler:
            self._application[event] = function
            return function

        return add if handler is None else add(handler)

    def add_own(
        self,
        handlers: Mapping[str, SocketHandler],
        authenticate: Callable[[Mapping[str, Any], Any], Awaitable[Viewer]],
        viewer: Callable[[str], Viewer],
    ) -> None:
        """Add Roomcast's handlers of the main namespace."""
        for event, handler in handlers.items():
            super().on(event, handler)
        self._authenticate, self._viewer = authenticate, viewer

    def viewer(self, sid: str) -> Viewer:
        """Return the viewer of a client of the main namespace. Raise `KeyError` for an unknown client."""
        if self._viewer is None:
            raise KeyError(sid)
        return self._viewer(sid)

    async def authenticate(self, environ: Mapping[str, Any], auth: Any = None) -> Viewer:
        """Return who connects to a namespace of the application's, for its handler of `connect`.

        Raise python-socketio's `ConnectionRefusedError` for unknown credentials. Without this call, those
        namespaces are open to all.
        """
        if self._authenticate is None:
            raise ConnectionRefused("The server is not running.")
        return await self._authenticate(environ, auth)

    async def call_application(self, event: str, sid: str, *arguments: Any) -> None:
        """Call the application's handler of `connect` or `disconnect`. Raise `ConnectionRefusedError` if it returns
        False."""
        if handler := self._application.get(event):
            result = handler(sid, *arguments)
        elif namespace := self.namespace_handlers.get(MAIN):
            result = namespace.trigger_event(event, sid, *arguments)
        else:
            return
        if isawaitable(result):
            result = await result
        if event == "connect" and result is False:
            raise ConnectionRefused("The application has refused the connection.")
