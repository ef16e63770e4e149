"""Roomcast as a part of an application: what `from roomcast import Roomcast` gives.

Web servers are imported when one is started. A worker process imports the application for its steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from roomcast.extensions.contract import EventName, Function
from roomcast.extensions.discovery import discover, include_packages
from roomcast.extensions.registry import Extensions
from roomcast.extensions.steps import StepJob
from roomcast.services.program import run_program
from roomcast.settings.settings import Settings, load_settings


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

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Return the exit code of the process."""
        return run(self.extensions, self.settings)


def run(extensions: Extensions | None = None, settings: Settings | None = None) -> int:
    """Run the web process until its end; without `settings`, with those of the environment. Return the exit code.

    Installed packages add to `extensions`. Without those, the configuration file and installed packages are all.
    """
    from roomcast.serving import run_web  # noqa: PLC0415  (see the module's docstring)

    return run_program(
        lambda loaded: run_web(loaded, discover(loaded) if extensions is None else include_packages(extensions)),
        settings,
    )
