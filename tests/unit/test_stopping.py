"""A task that is told to stop stops, even if something on its way did not hear of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from roomcast.runtime.process import stopped


async def test_a_cancellation_that_got_lost_is_said_again() -> None:
    deaf = asyncio.Event()

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            deaf.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await deaf.wait()
    await stopped(task)
    assert task.cancelled()


async def test_a_task_that_failed_is_no_hindrance() -> None:
    async def fail() -> None:
        raise ValueError

    await stopped(asyncio.create_task(fail()))
    await stopped()
