"""The control of one running step: calls from its thread to the event loop, and the request to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field

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
    ended: bool = field(default=False)

    def check(self) -> None:
        """Raise `WrongState` when the step has ended, and in a thread `StepStopped` when it must end."""
        if self.ended:
            raise WrongState("The step has ended.")
        if self.stopping and self.loop is not None:
            raise StepStopped

    def call_soon(self, call: Callable[[], None]) -> Awaitable[None]:
        """Run `call` on the event loop, and return what gives other work on it a turn."""
        if self.loop is None:
            call()
        else:
            self.loop.call_soon_threadsafe(self._call_unless_ended, call)
        return _Turn()

    def _call_unless_ended(self, call: Callable[[], None]) -> None:
        if not self.ended:
            call()
