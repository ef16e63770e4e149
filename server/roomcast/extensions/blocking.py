"""Find the code of an application that blocks the event loop, and log its name."""

from __future__ import annotations

import threading
import time
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

BLOCKING_SECONDS = 1.0
"""How long code may run on the event loop without awaiting before it is logged."""

_CHECK_SECONDS = 0.25


@dataclass(eq=False)
class _Turn:
    """One uninterrupted run of a watched coroutine on an event loop."""

    name: str
    thread: int
    began: float
    logged: bool = False

    def log_if_blocking(self) -> None:
        seconds = time.monotonic() - self.began
        if seconds >= BLOCKING_SECONDS and not self.logged:
            self.logged = True
            log.error("event_loop_blocked", by=self.name, seconds=round(seconds, 1))


class _Watch:
    """The turns that are running, one for each event loop, and the thread that checks how long they have run.

    A loop that never gets control back cannot log anything, so a thread does. It ends with the last watched coroutine.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched = 0
        self._turns: dict[int, _Turn] = {}
        self._ended = threading.Event()

    def add(self) -> None:
        with self._lock:
            self._watched += 1
            if self._watched == 1:
                self._ended = threading.Event()
                threading.Thread(target=self._check, args=(self._ended,), name="blocked-loops", daemon=True).start()

    def remove(self) -> None:
        with self._lock:
            self._watched -= 1
            if self._watched == 0:
                self._ended.set()

    def begin(self, name: str) -> _Turn:
        turn = _Turn(name, threading.get_ident(), time.monotonic())
        self._turns[turn.thread] = turn
        return turn

    def end(self, turn: _Turn) -> None:
        self._turns.pop(turn.thread, None)
        turn.log_if_blocking()  # code that does not release the interpreter lock stops the thread, too

    def _check(self, ended: threading.Event) -> None:
        while not ended.wait(_CHECK_SECONDS):
            for turn in tuple(self._turns.values()):
                turn.log_if_blocking()


_watch = _Watch()


async def log_if_blocking(name: str, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. If it blocks the event loop for `BLOCKING_SECONDS`, log `event_loop_blocked` with
    its `name`, even if it never returns."""
    _watch.add()
    try:
        return await _in_turns(name, work)
    finally:
        _watch.remove()


@coroutine
def _in_turns(name: str, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Run a coroutine, and time what it does between two of its suspensions."""
    error: BaseException | None = None
    value: Any = None
    while True:
        turn = _watch.begin(name)
        try:
            awaited = work.send(value) if error is None else work.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            _watch.end(turn)
        error = value = None
        try:
            value = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as raised:  # noqa: BLE001 - it is raised in the coroutine
            error = raised
