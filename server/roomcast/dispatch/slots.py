"""The slots of a process's workers: how many of them may be at work at once.

A worker that only waits parks: its slot is free for other work until it continues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WorkerSlots:
    """The slots of one process. They are given in the order in which they were asked for.

    `parked` counts the workers that wait without a slot.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self.parked = 0

    async def acquire(self) -> WorkerSlot:
        """Wait for a free slot and return it."""
        slot = WorkerSlot(self, self._free)
        await self._free.acquire()
        return slot


class WorkerSlot:
    """The slot of one worker. `vacated` is set when it was given back for the first time: by `release` or `parked`."""

    def __init__(self, slots: WorkerSlots, free: asyncio.Semaphore) -> None:
        self._slots = slots
        self._free = free
        self._is_acquired = True
        self.vacated = asyncio.Event()

    def release(self) -> None:
        """Give the slot back, unless it has been."""
        if self._is_acquired:
            self._is_acquired = False
            self._free.release()
        self.vacated.set()

    @asynccontextmanager
    async def parked(self) -> AsyncIterator[None]:
        """Give the slot back for the duration of the context, and wait for one at its end, unless it ends by an
        exception."""
        self.release()
        self._slots.parked += 1
        try:
            yield
        finally:
            self._slots.parked -= 1
        await self._free.acquire()
        self._is_acquired = True
