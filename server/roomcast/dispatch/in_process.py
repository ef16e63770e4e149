"""The dispatch of a single process: an event on its event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from roomcast.dispatch.contract import Dispatch, Handler
from roomcast.dispatch.delays import DelayedCalls
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import start_background_task

log = structlog.get_logger(__name__)

WakeUp = tuple[str, int]


class InProcessDispatch(Dispatch):
    """Wakes workers in this process. Implements `roomcast.dispatch.contract.Dispatch`."""

    def __init__(self) -> None:
        self._pending: dict[WakeUp, None] = {}
        self._delayed = DelayedCalls()
        self._changed = asyncio.Event()
        self._workers = 0

    async def send(self, upload_id: str, seq: int, *, not_before: float) -> None:
        if not_before > unix_time():
            self._delayed.call_at(not_before, partial(self._add, (upload_id, seq)))
        else:
            self._add((upload_id, seq))

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
            self._changed.set()
            await asyncio.gather(*running, return_exceptions=True)
            self._delayed.close()

    def _add(self, wake_up: WakeUp) -> None:
        self._pending[wake_up] = None
        self._changed.set()

    async def _work(self, handler: Handler, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._pending:
                self._changed.clear()
                await self._changed.wait()
                continue
            wake_up = next(iter(self._pending))
            del self._pending[wake_up]
            try:
                await handler(wake_up[0])
            except Exception:
                log.exception("worker_failed", upload=wake_up[0])
