"""Background tasks that go on for good, and the end of the process when one of them dies.

A process without its upkeep or its workers looks alive and is not, and no supervisor restarts it. So a background task
that ends by itself is logged and ends the process: in good order, with an exit code other than 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger(__name__)

EXIT_TASK_DIED = 1


@dataclass
class ProcessEnd:
    """How the process comes to its end: by `stop`, with `exit_code`."""

    stop: asyncio.Event
    exit_code: int = 0


_process_end: ContextVar[ProcessEnd | None] = ContextVar("process_end", default=None)


def end_process_with(stop: asyncio.Event) -> ProcessEnd:
    """Set `stop` when a background task that is started from now on, in this context, dies."""
    end = ProcessEnd(stop)
    _process_end.set(end)
    return end


def background(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start `work`, which goes on until it is asked to end. When it fails before that, the process ends."""
    end = _process_end.get()

    def ended(task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if task.cancelling():
                return
            log.critical("background task died", task=name, reason="it was cancelled from within")
        elif (error := task.exception()) is None:
            return
        else:
            log.critical("background task died", task=name, exc_info=error)
        if end is not None:
            end.exit_code = EXIT_TASK_DIED
            end.stop.set()

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task
