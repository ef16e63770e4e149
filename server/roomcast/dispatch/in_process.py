"""The dispatch of a process that is alone: a wake-up on its event loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from roomcast.dispatch.contract import Handler
from roomcast.dispatch.delays import Delays
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import start_background_task

log = structlog.get_logger(__name__)

Hint = tuple[str, int]


class InProcessDispatch:
    """See `roomcast.dispatch.contract.Dispatch`, the contract."""

    def __init__(self) -> None:
        self._hints: dict[Hint, None] = {}
        self._delays = Delays()
        self._moved = asyncio.Event()
        self._workers = 0

    async def wake(self, upload_id: str, seq: int, *, not_before: float = 0.0) -> None:
        if not_before > time.time():
            self._delays.call_at(not_before, partial(self._wake, (upload_id, seq)))
        else:
            self._wake((upload_id, seq))

    async def live_workers(self) -> Counter[str]:
        return Counter({process_name(): self._workers} if self._workers else {})

    @asynccontextmanager
    async def workers(self, handler: Handler, count: int) -> AsyncIterator[None]:
        stop = asyncio.Event()
        running = [start_background_task(self._work(handler, stop), f"worker {number}") for number in range(count)]
        self._workers += count
        try:
            yield
        finally:
            self._workers -= count
            stop.set()
            self._moved.set()
            await asyncio.gather(*running, return_exceptions=True)
            self._delays.close()

    def _wake(self, hint: Hint) -> None:
        self._hints[hint] = None
        self._moved.set()

    async def _work(self, handler: Handler, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._hints:
                self._moved.clear()
                await self._moved.wait()
                continue
            hint = next(iter(self._hints))
            del self._hints[hint]
            try:
                await handler(hint[0])
            except Exception:
                log.exception("worker failed", hint=hint[0])
