"""Roomcast as a part of an application: what `from roomcast import Roomcast` gives.

Web servers are imported when one is started. A worker process imports the application for its steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from roomcast.extensions.contract import EventName, Function
from roomcast.extensions.registry import Extensions
from roomcast.services.program import run_program
from roomcast.settings.settings import Settings, load_settings
from roomcast.tracing import without_opentelemetry


class Roomcast:
    """Roomcast with an application's own authentication, checks, listeners and steps.

    Add them with the decorators, then call `run`.
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

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Return the exit code of the process."""
        return run(self.extensions, self.settings)


def run(extensions: Extensions, settings: Settings | None = None) -> int:
    """Run the web process until its end; without `settings`, with those of the environment. Return the exit code."""
    with without_opentelemetry():
        from roomcast.serving import run_web  # noqa: PLC0415  (see the module's docstring)

    return run_program(lambda loaded: run_web(loaded, extensions), settings, service="roomcast-web")
