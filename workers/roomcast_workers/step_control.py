"""The control of one running step: calls from its thread to the event loop, and the request to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

from roomcast.errors import WrongState


class StepStopped(BaseException):
    """The step must end. It is not an `Exception`, so that a step's `except Exception` does not catch it."""


class _Turn:
    """An awaitable that gives other work on the event loop a turn. Not awaiting it does no harm."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass(eq=False)
class StepControl:
    """What a step's own calls need. `loop` is None for a step that runs on the event loop."""

    loop: asyncio.AbstractEventLoop | None = None
    stopping: bool = False
    ended: bool = False
    _latest: Callable[[], None] | None = None

    def check(self) -> None:
        """Raise `WrongState` when the step has ended, and in a thread `StepStopped` when it must end."""
        if self.ended:
            raise WrongState("The step has ended.")
        if self.stopping and self.loop is not None:
            raise StepStopped

    def call_soon(self, call: Callable[[], None]) -> Awaitable[None]:
        """Run `call` on the event loop, and return what gives other work on it a turn.

        Of several calls from a thread that the event loop has not come to yet, only the latest is run.
        """
        if self.loop is None:
            call()
            return _Turn()
        waiting, self._latest = self._latest is not None, call
        if not waiting:
            self.loop.call_soon_threadsafe(self._call_latest)
        return _Turn()

    def _call_latest(self) -> None:
        call, self._latest = self._latest, None
        if call is not None and not self.ended:
            call()
