"""Run a step of an application: with a deadline, in a thread if it is an ordinary function, and until it has stopped.

What goes wrong in it becomes `StepFailed` with its name. A step that does not stop is abandoned: it is logged, and from
then on its job refuses its calls.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import structlog
from roomcast.errors import RoomcastError, StepFailed
from roomcast.extensions.calls import BLOCKING_SECONDS, BlockingDetector, exits_as_errors
from roomcast.extensions.steps import Step
from roomcast.runtime.tasks import finish_despite_cancel, stop_within

from roomcast_workers.job import Job
from roomcast_workers.step_control import StepStopped

log = structlog.get_logger(__name__)

_STOP_SECONDS = 5.0
"""How long a step that takes too long may take to stop."""

_blocking = BlockingDetector(BLOCKING_SECONDS)


async def run_application_step(step: Step, job: Job, *, seconds: float) -> None:
    """Run a step for at most `seconds`. Raise what it raises if that is a `RoomcastError`, or else `StepFailed`.

    On cancellation, return when the step has stopped, or its time is over.
    """
    give_up_at = time.monotonic() + seconds
    work = _in_thread(step, job) if job.control.loop else _blocking.run(_on_loop(step, job), f"step {step.name}")
    task = asyncio.create_task(work, name=f"step {step.name}")
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            log.error("step_overdue", step=step.name, seconds=seconds)
            await _stop(task, step, job, _STOP_SECONDS)
    except asyncio.CancelledError:
        await _stop(task, step, job, max(_STOP_SECONDS, give_up_at - time.monotonic()))
        raise
    finally:
        job.control.ended = True
    if not done:
        raise StepFailed(f"The step {step.name} took longer than {seconds:g} s.")
    if error := _error_of(task):
        if isinstance(error, RoomcastError):
            raise error
        # Raised without a cause: what ran out in the application's own code does not count as this process's resources.
        log.error("step_failed", step=step.name, exc_info=error)
        raise StepFailed(f"The step {step.name} failed.")


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _stop(task: asyncio.Task[None], step: Step, job: Job, seconds: float) -> None:
    """Stop a step, and log it if it does not stop within `seconds`."""
    job.control.stopping = True
    try:
        await finish_despite_cancel(lambda: stop_within(task, seconds))
    finally:
        if not task.done():
            log.error("step_does_not_stop", step=step.name)


async def _on_loop(step: Step, job: Job) -> None:
    with exits_as_errors("step"):
        made: Any = step.run(job)
        if inspect.isawaitable(made):
            await made


async def _in_thread(step: Step, job: Job) -> None:
    """Run the function in a thread of its own; return when it has ended, however often this is cancelled."""
    ended, cancelled = _start_thread(step, job), False
    while not ended.done():
        try:
            # Unlike awaiting the future, waiting for it does not cancel it.
            await asyncio.wait({ended})
        except asyncio.CancelledError:
            cancelled = job.control.stopping = True
    made, error = ended.result()
    if cancelled or isinstance(error, StepStopped):
        raise asyncio.CancelledError
    if isinstance(error, RoomcastError):
        raise error
    if error is not None:
        raise RuntimeError(f"The step raised {type(error).__name__}.") from error
    if inspect.isawaitable(made):
        await _blocking.run(_awaited(made), f"step {step.name}")


def _start_thread(step: Step, job: Job) -> asyncio.Future[tuple[Any, BaseException | None]]:
    """Start a thread of the step's own, and return what it will return or raise.

    A thread that hangs in the event loop's pool would be missing for others, and would prevent the process from ending.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def resolve(result: tuple[Any, BaseException | None]) -> None:
        if not ended.done():
            ended.set_result(result)

    def run() -> None:
        try:
            result: tuple[Any, BaseException | None] = step.run(job), None
        except BaseException as error:  # noqa: BLE001 - it is raised on the event loop
            result = None, error
        with suppress(RuntimeError):  # the loop was closed meanwhile, because the process ends
            loop.call_soon_threadsafe(resolve, result)

    threading.Thread(target=run, name=f"step {step.name}", daemon=True).start()
    return ended


async def _awaited(made: Awaitable[None]) -> None:
    await made
