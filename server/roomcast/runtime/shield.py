"""Work that its caller does not leave before it is over, however often the caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

GRACE_SECONDS = 10.0
"""How long a cancelled caller still waits."""


async def outlast(work: Callable[[], Coroutine[Any, Any, T]], *, again: bool = False) -> T:
    """The outcome of `work()`; `CancelledError` once it is over when the caller was cancelled meanwhile.

    After a cancellation it has `GRACE_SECONDS` left. When the event loop shuts down it cancels `work` itself too;
    `again` starts it once more then, which is right for work that may be done twice.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work())
    deadline: float | None = None
    overdue = False
    while True:
        left = None if deadline is None or overdue else max(0.0, deadline - loop.time())
        try:
            # Unlike awaiting the task, waiting for it does not pass a cancellation on.
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            deadline = deadline or loop.time() + GRACE_SECONDS
        if not task.done():
            if deadline and not overdue and loop.time() >= deadline:
                overdue = True
                task.cancel()
        elif task.cancelled() and again and not overdue:
            again = False
            deadline = deadline or loop.time() + GRACE_SECONDS
            task = loop.create_task(work())
        else:
            break
    if deadline and not task.cancelled():
        task.exception()  # seen, so that nobody reports it as lost
        raise asyncio.CancelledError
    return task.result()
