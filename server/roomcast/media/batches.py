"""Collect bytes into batches: one is collected while the one before it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from roomcast.media.contract import Data


class Batches:
    """Collects chunks and passes them to `write` in batches, one at a time and in order.

    A batch is written when it has `max_bytes` or `max_chunks`, and also when its first chunk has waited for
    `max_seconds`: the bytes of a slow sender are soon safe.
    """

    def __init__(
        self,
        write: Callable[[list[Data]], Coroutine[Any, Any, None]],
        *,
        max_bytes: int,
        max_chunks: int,
        max_seconds: float,
    ) -> None:
        self._write = write
        self._max_bytes = max_bytes
        self._max_chunks = max_chunks
        self._max_seconds = max_seconds
        self._chunks: list[Data] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def add(self, chunk: Data) -> None:
        """Add a chunk, whose memory must not be reused. Wait if the batch is full and the one before it is still being
        written; raise its failure."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= self._max_bytes or len(self._chunks) >= self._max_chunks:
            await self._written()
            self._start()
        elif self._timer is None:
            self._set_timer()

    async def finish(self) -> None:
        """Return when all chunks are written."""
        await self._written()
        if self._chunks:
            self._start()
            await self._written()

    async def close(self) -> None:
        """Write nothing more. Return when nothing is being written."""
        self._cancel_timer()
        if self._writing:
            await asyncio.wait({self._writing})

    async def _written(self) -> None:
        if self._writing:
            # Unlike awaiting the task, waiting for it does not cancel it: a lost batch would leave a gap.
            await asyncio.wait({self._writing})
            self._writing.result()

    def _start(self) -> None:
        self._cancel_timer()
        batch, self._chunks, self._size = self._chunks, [], 0
        self._writing = asyncio.create_task(self._write(batch))

    def _on_time(self) -> None:
        self._timer = None
        if self._writing and not self._writing.done():
            self._set_timer()
        elif self._chunks and not (self._writing and _failed(self._writing)):
            self._start()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._max_seconds, self._on_time)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None
