"""Background tasks, their cancellation, and work that a cancellation must not interrupt.

A process whose maintenance or whose workers have died looks alive but does nothing, and no process manager restarts it.
So a background task that fails is logged and ends the process with an exit code other than 0, by the same orderly
shutdown as SIGTERM. A loop that hangs fails nothing, so each has a `Heartbeat`, and readiness reports the overdue ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from roomcast.errors import RoomcastError, StorageError

log = structlog.get_logger(__name__)

T = TypeVar("T")

EXIT_TASK_FAILED = 1

GRACE_SECONDS = 10.0
"""How long `finish_despite_cancel` lets the work run on after its caller was cancelled."""

OVERDUE_SECONDS = 60.0
"""How much longer than planned a loop may need for one run before it counts as overdue."""

FAILING_SECONDS = 60.0
"""For how long every run of a loop must have failed before readiness warns of it."""

READINESS_SECONDS = 3.0
"""How long a check of readiness may take."""

_CANCEL_AGAIN_SECONDS = 0.2
_CANCEL_APPLICATION_AGAIN_SECONDS = 5.0


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


@dataclass(eq=False)
class Heartbeat:
    """The last run of one background loop. The loop calls `beat` after each run, and is overdue without that for
    `overdue_seconds`."""

    name: str
    overdue_seconds: float
    last_at: float = field(default_factory=time.monotonic)
    failing_since: float | None = None

    def beat(self, *, failed: bool = False) -> None:
        """Record that the loop has run, and whether this run has failed."""
        self.last_at = time.monotonic()
        self.failing_since = (self.failing_since or self.last_at) if failed else None


class Heartbeats:
    """The heartbeats of the loops that run in this process."""

    def __init__(self) -> None:
        self._heartbeats: dict[Heartbeat, None] = {}

    def watch(self, task: asyncio.Task[None], heartbeat: Heartbeat) -> None:
        """Watch a heartbeat until `task`, which runs its loop, ends."""
        self._heartbeats[heartbeat] = None
        task.add_done_callback(lambda _: self._heartbeats.pop(heartbeat))

    def overdue(self) -> list[str]:
        """Return a sentence for each loop that has not run in time."""
        now = time.monotonic()
        return [
            f"The loop {one.name!r} has not run for {now - one.last_at:.0f} s."
            for one in self._heartbeats
            if now - one.last_at > one.overdue_seconds
        ]

    def failing(self) -> list[str]:
        """Return a sentence for each loop whose runs have all failed for `FAILING_SECONDS` or longer."""
        now = time.monotonic()
        return [
            f"The loop {one.name!r} has failed for {now - one.failing_since:.0f} s; the log has the reason."
            for one in self._heartbeats
            if one.failing_since is not None and now - one.failing_since >= FAILING_SECONDS
        ]


_heartbeats: ContextVar[Heartbeats | None] = ContextVar("heartbeats", default=None)


def process_heartbeats() -> Heartbeats:
    """Return the heartbeats of the loops that are started in this context."""
    heartbeats = _heartbeats.get()
    if heartbeats is None:
        heartbeats = Heartbeats()
        _heartbeats.set(heartbeats)
    return heartbeats


def start_background_task(
    work: Coroutine[Any, Any, None], name: str, heartbeat: Heartbeat | None = None
) -> asyncio.Task[None]:
    """Start `work`, which runs until it is cancelled or returns. If it fails, log it and end the process.

    `heartbeat` is the one of the loop in `work`; without it, `work` waits for other tasks and has nothing to be late
    with.
    """
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
    if heartbeat:
        process_heartbeats().watch(task, heartbeat)
    return task


@asynccontextmanager
async def periodic(
    do: Callable[[], Awaitable[None]],
    seconds: float,
    *,
    name: str,
    failure_event: str,
    wake: asyncio.Event | None = None,
    first_after: float = 0.0,
    min_seconds: float = 0.0,
    overdue_seconds: float = OVERDUE_SECONDS,
) -> AsyncIterator[None]:
    """Call `do` every `seconds`, and at once when `wake` is set, for the duration of the context.

    The first call is after `first_after`, and between two there are at least `min_seconds`. A call that fails is logged
    as `failure_event`; the next one runs as planned. Readiness names the loop by its `name`, when one call takes longer
    than `overdue_seconds`.
    """
    wake = wake or asyncio.Event()
    heartbeat = Heartbeat(name, first_after + seconds + overdue_seconds)

    async def run() -> None:
        await asyncio.sleep(first_after)
        while True:
            wake.clear()
            failed = False
            try:
                await do()
            except Exception:
                log.exception(failure_event)
                failed = True
            heartbeat.beat(failed=failed)
            await asyncio.sleep(min_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds - min_seconds)):
                    await wake.wait()

    task = start_background_task(run(), name, heartbeat)
    try:
        yield
    finally:
        await cancel_and_wait(task)


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


async def run_check(check: Callable[[], Awaitable[str]]) -> str:
    """Return the result of a check of readiness: `ok`, or a sentence that says what is wrong. It takes
    `READINESS_SECONDS` at most."""
    try:
        async with asyncio.timeout(READINESS_SECONDS):
            return await check()
    except TimeoutError:
        return f"There was no answer within {READINESS_SECONDS:g} s."
    except RoomcastError as error:
        return error.message
    except Exception:
        log.exception("health_check_failed")
        return "The check failed; the log has the reason."


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


async def run_for_each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Run `work` on every item, on at most `at_once` of them at a time.

    After a failure or a cancellation, which is raised when no work runs any more, the remaining items are left out.
    """
    remaining = iter(items)

    async def run() -> None:
        for item in remaining:
            await work(item)

    runs = [asyncio.create_task(run()) for _ in range(at_once)]
    try:
        await asyncio.gather(*runs)
    finally:
        await finish_despite_cancel(lambda: cancel_and_wait(*runs), idempotent=True)


async def stop_within(task: asyncio.Task[None], seconds: float) -> bool:
    """Cancel a task that runs an application's code, and return whether it has ended within `seconds`.

    The cancellation is repeated rarely, because the first one may have begun a clean-up.
    """
    give_up_at = time.monotonic() + seconds
    while not task.done() and (left := give_up_at - time.monotonic()) > 0:
        task.cancel()
        await asyncio.wait({task}, timeout=min(left, _CANCEL_APPLICATION_AGAIN_SECONDS))
    return task.done()


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
