"""The admin page's board: read from the ledger once a second for all viewers, while there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from roomcast.dispatch.contract import Dispatch
from roomcast.http.admin.schema import Board, Overview
from roomcast.http.admin.view import RECENT_SECONDS, board_snapshot, overview_snapshot
from roomcast.http.streams.streams import LatestQueue
from roomcast.ledger.contract import Ledger, QueueStats
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import periodic
from roomcast.services.presence import Presence, WebProcess
from roomcast.uploads.templates import Templates

BOARD = "board"
"""The name of the stream's event."""

_READ_SECONDS = 1.0
_MAX_UPLOADS = 100
_MAX_FAILURES = 100


class AdminBoard:
    """Reads snapshots of the whole deployment, and sends them to its subscribers when they change."""

    def __init__(
        self,
        ledger: Ledger,
        dispatch: Dispatch,
        presence: Presence,
        templates: Templates,
        this_process: Callable[[], WebProcess],
    ) -> None:
        """`this_process` returns the current numbers of this web process, with the streams of the board."""
        self._ledger = ledger
        self._dispatch = dispatch
        self._presence = presence
        self._templates = templates
        self._this_process = this_process
        self._queues: set[LatestQueue[Board]] = set()
        self._start_lock = asyncio.Lock()
        self._reader: AsyncExitStack | None = None
        self._latest: Board

    async def heartbeat(self) -> None:
        """Register this process, so that the admin pages of other processes show it."""
        await self.web_processes()

    async def overview(self) -> Overview:
        """Return the current overview."""
        return await self._overview(await self._stats())

    @asynccontextmanager
    async def subscribed(self, queue: LatestQueue[Board]) -> AsyncIterator[Board]:
        """Yield the current board. Until this is left, `queue` gets each later one within two seconds of a change."""
        async with self._start_lock:
            if self._reader is None:
                self._latest = await self._read()
                self._reader = AsyncExitStack()
                await self._reader.enter_async_context(
                    periodic(
                        self._publish,
                        _READ_SECONDS,
                        name="admin board",
                        first_after=_READ_SECONDS,
                        failure_event="admin_snapshot_failed",
                    )
                )
        self._queues.add(queue)
        try:
            yield self._latest
        finally:
            self._queues.discard(queue)
            if not self._queues and self._reader:
                reader, self._reader = self._reader, None
                await reader.aclose()

    async def _publish(self) -> None:
        board = await self._read()
        if _without_time(board) != _without_time(self._latest):
            self._latest = board
            for queue in self._queues:
                queue.put(BOARD, board)

    async def _read(self) -> Board:
        stats = await self._stats()
        newest = await self._ledger.page(None, limit=_MAX_UPLOADS)
        return board_snapshot(await self._overview(stats), newest.uploads, stats)

    async def _stats(self) -> QueueStats:
        return await self._ledger.stats(since=unix_time() - RECENT_SECONDS, failures=_MAX_FAILURES)

    async def _overview(self, stats: QueueStats) -> Overview:
        workers = await self._dispatch.live_workers()
        web_processes = await self.web_processes()
        pauses = await self._ledger.administration.pauses()
        templates = [template.name for template in self._templates]
        return overview_snapshot(stats, workers, web_processes, pauses, templates, unix_time())

    async def web_processes(self) -> list[WebProcess]:
        """Register this process, and return all web processes that run."""
        counts = self._this_process()
        return await self._presence.heartbeat(replace(counts, streams=counts.streams - len(self._queues)))


def _without_time(board: Board) -> Board:
    """Return the board without its clock, which alone is no change."""
    return {**board, "overview": {**board["overview"], "now": ""}}
