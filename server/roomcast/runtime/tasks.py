"""Background tasks, their cancellation, and work that a cancellation must not interrupt.

A process whose maintenance or whose workers have died looks alive but does nothing, and no process manager restarts it.
So a background task that fails is logged and ends the process with an exit code other than 0, by the same orderly
shutdown as SIGTERM.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from roomcast.errors import StorageError

log = structlog.get_logger(__name__)

T = TypeVar("T")

EXIT_TASK_FAILED = 1

GRACE_SECONDS = 10.0
"""How long `finish_despite_cancel` lets the work run on after its caller was cancelled."""

_CANCEL_AGAIN_SECONDS = 0.2


@dataclass
class ProcessExit:
    """The pending end of the process: set `stop` to begin the shutdown, which ends with `exit_code`."""

    stop: asyncio.Event
    exit_code: int = 0


_process_exit: ContextVar[ProcessExit | None] = ContextVar("process_exit", default=None)


def exit_when_task_fails(stop: asyncio.Event) -> ProcessExit:
    """Make the failure of any background task that is started later in this context set `stop` and the exit code."""
    process_exit = ProcessExit(stop)
    _process_exit.set(process_exit)
    return process_exit


def start_background_task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start `work`, which runs until it is cancelled or returns. If it fails, log it and end the process."""
    process_exit = _process_exit.get()

    def on_done(task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if task.cancelling():
                return
            log.critical("background_task_failed", task=name, reason="It raised CancelledError without a cancel().")
        elif (error := task.exception()) is None:
            return
        else:
            log.critical("background_task_failed", task=name, exc_info=error)
        if process_exit is not None:
            process_exit.exit_code = EXIT_TASK_FAILED
            process_exit.stop.set()

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(on_done)
    return task


@asynccontextmanager
async def background_task(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` as a background task for the duration of the context. If it fails, log it and end the process."""
    task = start_background_task(work, name)
    try:
        yield
    finally:
        await cancel_and_wait(task)


@asynccontextmanager
async def periodic(
    do: Callable[[], Awaitable[None]], seconds: float, *, failure_event: str, wake: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Call `do` every `seconds`, and at once when `wake` is set, for the duration of the context.

    A call that fails is logged as `failure_event`; the next one runs as planned.
    """
    wake = wake or asyncio.Event()

    async def run() -> None:
        while True:
            wake.clear()
            try:
                await do()
            except Exception:
                log.exception(failure_event)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wake.wait()

    async with background_task(run(), getattr(do, "__qualname__", failure_event)):
        yield


@contextmanager
def log_failure(event: str, **details: object) -> Iterator[None]:
    """Log an exception of one item as `event`, so that the items after it are still processed.

    A `StorageError` is raised: it would repeat for each of them.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception:
        log.exception(event, **details)


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and wait until all have ended. Their results and exceptions are ignored.

    The cancellation is repeated: before Python 3.12 `asyncio.wait_for` swallows one that comes just when it is done,
    and the Redis client sends through it.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def finish_despite_cancel(work: Callable[[], Awaitable[T]], *, idempotent: bool = False) -> T:
    """Return the result of `work()`. If the caller is cancelled meanwhile, raise `CancelledError` after `work` is done.

    After the first cancellation `work` may run for `GRACE_SECONDS` more and is then cancelled. When the event loop
    shuts down it cancels every task, the one that runs `work` included; work that is `idempotent` is then started once
    more.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    deadline: float | None = None
    overdue = False
    while True:
        left = None if deadline is None or overdue else max(0.0, deadline - loop.time())
        try:
            # Unlike awaiting the task, waiting for it does not pass a cancellation on to it.
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            deadline = deadline or loop.time() + GRACE_SECONDS
        if not task.done():
            if deadline and not overdue and loop.time() >= deadline:
                overdue = True
                task.cancel()
        elif task.cancelled() and idempotent and not overdue:
            idempotent = False
            deadline = deadline or loop.time() + GRACE_SECONDS
            task = asyncio.ensure_future(work())
        else:
            break
    if deadline and not task.cancelled():
        task.exception()  # retrieved, or asyncio would log it as lost
        raise asyncio.CancelledError
    return task.result()
