"""Roomcast as a part of an application: what `from roomcast import Roomcast` gives.

Web servers are imported when one is started. A worker process imports the application for its steps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from roomcast.extensions.contract import EventName, Function
from roomcast.extensions.discovery import include_packages
from roomcast.extensions.registry import Extensions
from roomcast.extensions.steps import StepJob
from roomcast.services.program import run_program, warn_of_unknown_variables
from roomcast.settings.server import check_path_prefix
from roomcast.settings.settings import Settings, load_settings
from roomcast.tracing import without_opentelemetry

if TYPE_CHECKING:
    from aiohttp import web

    from roomcast.hosting.loading import AsgiApplication
    from roomcast.rooms.shared_server import SharedServer


class Roomcast:
    """Roomcast with an application's own authentication, checks, listeners and steps.

    Add them with the decorators, then call `run`, or `mount` it into an aiohttp application.
    """

    def __init__(
        self, *, data: str | os.PathLike[str] | None = None, settings: Settings | Mapping[str, Any] | None = None
    ) -> None:
        """
        :param data: the directory of the ledger and the media, which is `ROOMCAST_DATA`.
        :param settings: all settings, or some by the names of their environment variables, such as
            `{"ROOMCAST_MAX_FILES": 5}`. The others are read from the environment, or have their defaults.

        Raises `SettingsError`, a `ValueError`, with every mistake.
        """
        if isinstance(settings, Settings):
            if data is not None:
                raise TypeError("Give either data or complete settings, which name the data directory.")
            self.settings = settings
        else:
            self.settings = load_settings({**(settings or {}), **({} if data is None else {"ROOMCAST_DATA": data})})
        self.extensions = Extensions()
        self._server: SharedServer | None = None
        self._begun = False

    def authenticate(self, function: Function) -> Function:
        """Decorate the function that returns the `Viewer` of a `CallerRequest`, or None. There is one of them."""
        return self.extensions.authenticate(function)

    def before_create(self, function: Function) -> Function:
        """Decorate a function that gets a `NewUpload` and its `Viewer` before the upload is created.

        It may change the upload, or raise `Rejected`.
        """
        return self.extensions.before_create(function)

    def on(self, event: EventName) -> Callable[[Function], Function]:
        """Decorate a function that gets the upload after the event, at least once."""
        return self.extensions.on(event)

    def step(
        self,
        name: str,
        *,
        after: str | None = None,
        before: str | None = None,
        share: float = 0.2,
        seconds: float | None = None,
        text: str | None = None,
        applies: Callable[[StepJob], bool] | None = None,
    ) -> Callable[[Function], Function]:
        """Decorate the function of a processing step, which runs in the worker `after` or `before` a step or a stage.

        See `roomcast.extensions.steps.Step` for the arguments, and `StepJob` for what the function is given.
        """
        return self.extensions.step(
            name, after=after, before=before, share=share, seconds=seconds, text=text, applies=applies
        )

    async def emit(self, upload_id: str, name: str, payload: Any = None) -> int:
        """Send an event of the application's own to an upload's room; return its `seq`.

        It is numbered and stored like Roomcast's own, so a client that joins later gets it, too. `payload` is JSON of
        at most 4 KB. Raise `ValueError` for a wrong name or payload, and `NotFound` for an unknown upload.
        """
        return await self.extensions.emit(upload_id, name, payload)

    async def emit_latest(self, upload_id: str, name: str, payload: Any = None) -> None:
        """Send an event that is not stored, for progress: of several, a slow client gets the latest."""
        await self.extensions.emit_latest(upload_id, name, payload)

    @property
    def sio(self) -> SharedServer:
        """The Socket.IO server, a `socketio.AsyncServer`: an application adds its own events and namespaces.

        `await rc.sio.authenticate(environ, auth)` and `rc.sio.viewer(sid)` return viewers.
        """
        if self._server is None:
            from roomcast.rooms.service import socket_server  # noqa: PLC0415  (see the module's docstring)

            self._server = socket_server(self.settings)
        return self._server

    def mount(self, app: web.Application, prefix: str) -> None:
        """Put Roomcast below a prefix of an aiohttp application, which starts it and stops it with itself.

        Raise `ValueError` for what is not a plain path such as `/uploads`.
        """
        from roomcast.hosting.mounting import mount_roomcast  # noqa: PLC0415
        from roomcast.runtime.logs.configuration import log_to_application  # noqa: PLC0415

        settings = self._with_prefix(prefix)
        if not settings.server.prefix:
            raise ValueError("Give the prefix that Roomcast is mounted at, such as /uploads.")
        self._begin()
        log_to_application()
        warn_of_unknown_variables()
        include_packages(self.extensions)
        mount_roomcast(app, settings, self.extensions, self.sio)

    def run(self, *, asgi: str | AsgiApplication | None = None, prefix: str | None = None) -> int:
        """Serve until SIGTERM or SIGINT. Return the exit code of the process.

        :param asgi: an ASGI application, or its name, such as `shop.asgi:application`. It is served beside Roomcast, at
            all paths that are not below the prefix.
        :param prefix: the path below which Roomcast is served. The default is `ROOMCAST_PREFIX`, or `/uploads` beside
            an ASGI application.

        Raise `ValueError` for a prefix that is not a plain path.
        """
        default = self.settings.server.prefix or ("/uploads" if asgi is not None else "")
        settings = self._with_prefix(default if prefix is None else prefix)
        if asgi is not None and not settings.server.prefix:
            raise ValueError("Beside an ASGI application, Roomcast needs a prefix such as /uploads.")
        self._begin()
        with without_opentelemetry():
            from roomcast.serving import WebProgram, run_web  # noqa: PLC0415  (see the module's docstring)

        command = [sys.executable, *sys.orig_argv[1:]]
        program = WebProgram(settings, self.extensions, self._server, asgi, command)

        def start(_: Settings) -> Coroutine[Any, Any, int]:
            include_packages(self.extensions)
            return run_web(program)

        return run_program(start, settings, service="roomcast-web", beside_application=True)

    def _with_prefix(self, prefix: str) -> Settings:
        server = self.settings.server.model_copy(update={"prefix": check_path_prefix(prefix)})
        return self.settings.model_copy(update={"server": server})

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError("This Roomcast is mounted or has been run already. Make another one.")
        self._begun = True
