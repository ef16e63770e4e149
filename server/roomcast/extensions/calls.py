"""Call an application's functions: in time, beside the event loop if they are plain, and named in the log when they
fail, are late or block the event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

import structlog

from roomcast.errors import HookFailed, RoomcastError
from roomcast.extensions.registry import name_of

log = structlog.get_logger(__name__)

T = TypeVar("T")

DEADLINE_SECONDS = 10.0
"""How long a function may take."""

BLOCKING_SECONDS = 1.0
"""How long a function may run without returning to the event loop before the log names it."""

_CHECK_SECONDS = 0.25
_THREADS = 16

_FAILED = "The server could not check the request. Try again."


class FunctionCalls:
    """Calls functions of an application. Coroutines run on the event loop, plain functions in threads of their own."""

    def __init__(
        self, *, deadline_seconds: float = DEADLINE_SECONDS, blocking_seconds: float = BLOCKING_SECONDS
    ) -> None:
        self._deadline = deadline_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="roomcast-function")
        self._blocking = BlockingDetector(blocking_seconds)
        self._in_threads: dict[Hashable, Future[Any]] = {}

    def close(self) -> None:
        """Stop the threads, but not functions that are running."""
        self._blocking.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(self, function: Callable[..., Any], *arguments: Any, once_for: Hashable = None) -> Any:
        """Return the result of a function.

        Raise the `RoomcastError` that it raises, such as `Rejected`, and `HookFailed` for any other error and when it
        does not return in time. A coroutine that ignores its cancellation is left behind.

        A plain function that never returns occupies its thread. With `once_for`, it is not called again for the same
        value while an earlier call is running: that raises `HookFailed` at once.
        """
        name = name_of(function)
        task = asyncio.create_task(self._run(function, name, arguments, once_for), name=name)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._deadline)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            task.add_done_callback(_ignore_result)
            log.error("function_timed_out", function=name, seconds=self._deadline)
            raise HookFailed(_FAILED)
        try:
            return task.result()
        except RoomcastError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            log.exception("function_failed", function=name)
            raise HookFailed(_FAILED) from error

    def fail(self, function: Callable[..., Any], reason: str) -> HookFailed:
        """Log that a function has returned what it must not, and return the error to raise."""
        log.error("function_failed", function=name_of(function), reason=reason)
        return HookFailed(_FAILED)

    async def _run(
        self, function: Callable[..., Any], name: str, arguments: tuple[Any, ...], once_for: Hashable
    ) -> Any:
        with exits_as_errors("function"):
            if is_coroutine_function(function):
                return await self._blocking.run(function(*arguments), name)
            context = copy_context()
            if once_for in self._in_threads:
                raise self.fail(function, "An earlier call has not returned yet.")
            running = self._threads.submit(context.run, function, *arguments)
            if once_for is not None:
                self._in_threads[once_for] = running
                running.add_done_callback(lambda _: self._in_threads.pop(once_for, None))
            result = await asyncio.wrap_future(running)
            return await self._blocking.run(result, name) if inspect.iscoroutine(result) else result


class BlockingDetector:
    """Logs the function that blocks the event loop, while it does so, from a thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: tuple[str, float] | None = None
        self._reported: tuple[str, float] | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    async def run(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Return the result of a coroutine, and observe it until it ends."""
        result: T = await _Observed(work, name, self)
        return result

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    @contextmanager
    def observed(self, name: str) -> Iterator[None]:
        """Observe a function until it returns to the event loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="roomcast-blocking", daemon=True)
            self._thread.start()
        self._running = running = (name, time.monotonic())
        try:
            yield
        finally:
            self._running = None
            if (seconds := time.monotonic() - running[1]) >= self._seconds:
                log.warning("event_loop_was_blocked", function=name, seconds=round(seconds, 1))

    def _watch(self) -> None:
        while not self._closed.wait(min(_CHECK_SECONDS, self._seconds)):
            running = self._running
            if running and running != self._reported and time.monotonic() - running[1] >= self._seconds:
                self._reported = running
                log.error("event_loop_blocked", function=running[0], seconds=self._seconds)


class _Observed:
    """Awaits a coroutine, and observes each of its steps."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str, blocking: BlockingDetector) -> None:
        self._coroutine = coroutine
        self._name = name
        self._blocking = blocking

    def __await__(self) -> Generator[Any, Any, Any]:
        advance, argument = self._coroutine.send, None
        while True:
            try:
                with self._blocking.observed(self._name):
                    awaited = advance(argument)
            except StopIteration as end:
                return end.value
            try:
                argument = yield awaited
                advance = self._coroutine.send
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  (the coroutine handles its cancellation itself)
                advance, argument = self._coroutine.throw, error


@contextmanager
def exits_as_errors(called: str) -> Iterator[None]:
    """Raise `RuntimeError` for a `SystemExit` or `KeyboardInterrupt` of an application's code, which would end this
    process. `called` says what was called."""
    try:
        yield
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        raise RuntimeError(f"The {called} raised {type(error).__name__}.") from error


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling this returns a coroutine at once, so that it is called on the event loop.

    An ordinary function that wraps a coroutine function is called in a thread, because it may run the coroutine itself.
    """
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _ignore_result(task: asyncio.Task[Any]) -> None:
    """Retrieve the error of a task that is not awaited, or asyncio would log it as lost."""
    if not task.cancelled():
        task.exception()
