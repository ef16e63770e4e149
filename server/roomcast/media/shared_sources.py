"""Sources that several workers of one process read at the same time, fetched once for all of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from roomcast.media.contract import MediaStore, SparseSource
from roomcast.runtime.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

IDLE_SECONDS = 15.0
"""How long a source stays after its last reader: the next task of the same film needs it again."""


@dataclass
class _SharedSource:
    folder: Path
    readers: int = 0
    source: SparseSource | None = None
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedSources:
    """The sources that a process has fetched, in folders below `scratch`, which need not exist. Close it at the end."""

    def __init__(self, media: MediaStore, scratch: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._media = media
        self._scratch = scratch
        self._idle_seconds = idle_seconds
        self._sources: dict[str, _SharedSource] = {}
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._count = 0

    @asynccontextmanager
    async def open(self, key: str, *, is_needed_again: bool = False) -> AsyncIterator[SparseSource]:
        """Give a source for the duration of the context, as `MediaStore.open_source` does, to all readers the same.

        After the last reader it is closed: at once, or after some time if that one has said that it `is_needed_again`.
        It is not needed by one that is cancelled: the film was cancelled, another process continues, or this one stops.
        """
        if closing := self._closing.pop(key, None):
            await cancel_and_wait(closing)
        shared = self._sources.get(key)
        if shared is None:
            self._count += 1
            shared = self._sources[key] = _SharedSource(self._scratch / str(self._count))
        shared.readers += 1
        try:
            async with shared.lock:
                if shared.source is None:
                    await asyncio.to_thread(shared.folder.mkdir, parents=True, exist_ok=True)
                    opened = self._media.open_source(key, shared.folder)
                    shared.source = await shared.opened.enter_async_context(opened)
            yield shared.source
        except asyncio.CancelledError:
            is_needed_again = False
            raise
        finally:
            shared.readers -= 1
            if not shared.readers and is_needed_again:
                self._closing[key] = asyncio.create_task(self._close_later(key, shared))
            elif not shared.readers:
                await self._close(key, shared)

    async def close(self) -> None:
        """Delete the local copies of all sources."""
        await cancel_and_wait(*self._closing.values())
        self._closing.clear()
        for shared in self._sources.values():
            await shared.opened.aclose()
        self._sources.clear()

    async def _close_later(self, key: str, shared: _SharedSource) -> None:
        await asyncio.sleep(self._idle_seconds)
        del self._closing[key]
        try:
            await self._close(key, shared)
        except Exception:
            log.exception("source_not_closed", source=key)

    async def _close(self, key: str, shared: _SharedSource) -> None:
        del self._sources[key]
        await shared.opened.aclose()
        await asyncio.to_thread(shutil.rmtree, shared.folder, ignore_errors=True)
