"""The board that admins look at: read from the ledger while somebody does, once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from roomcast.dispatch.contract import Dispatch
from roomcast.http.admin.schema import Board, Overview
from roomcast.http.admin.view import FAILURES_WITHIN, board, overview
from roomcast.http.streams.streams import LatestQueue
from roomcast.ledger.contract import Ledger, QueueStats
from roomcast.runtime.tasks import cancel_and_wait, start_background_task
from roomcast.services.presence import Presence, WebProcess

log = structlog.get_logger(__name__)

BOARD = "board"
_READ_SECONDS = 1.0
_NEWEST = 100
_FAILURES = 100


class AdminBoard:
    """`me` tells what this process counts."""

    def __init__(self, ledger: Ledger, dispatch: Dispatch, attendance: Presence, me: Callable[[], WebProcess]) -> None:
        self._ledger = ledger
        self._dispatch = dispatch
        self._attendance = attendance
        self._me = me
        self._feeds: set[LatestQueue[Board]] = set()
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._shown: Board

    async def attend(self) -> None:
        """Let other processes' admins know of this one."""
        await self._attendance.attend(self._me())

    async def overview(self) -> Overview:
        """How everything stands now."""
        return await self._overview(await self._stats())

    @asynccontextmanager
    async def watched(self, feed: LatestQueue[Board]) -> AsyncIterator[Board]:
        """The board as it is now; until this is left, `feed` is told within a second or two when it has changed."""
        async with self._starting:
            if self._reading is None:
                self._shown = await self._read()
                self._reading = start_background_task(self._go_on_reading(), "admin board")
        self._feeds.add(feed)
        try:
            yield self._shown
        finally:
            self._feeds.discard(feed)
            if not self._feeds and self._reading:
                reading, self._reading = self._reading, None
                await cancel_and_wait(reading)

    async def _go_on_reading(self) -> None:
        while True:
            await asyncio.sleep(_READ_SECONDS)
            try:
                fresh = await self._read()
            except Exception:
                log.exception("board not read")
                continue
            if _without_time(fresh) != _without_time(self._shown):
                self._shown = fresh
                for feed in self._feeds:
                    feed.put(BOARD, fresh)

    async def _read(self) -> Board:
        stats = await self._stats()
        newest = await self._ledger.page(None, limit=_NEWEST)
        return board(await self._overview(stats), newest.uploads, stats.leased)

    async def _stats(self) -> QueueStats:
        return await self._ledger.stats(since=time.time() - FAILURES_WITHIN, failures=_FAILURES)

    async def _overview(self, stats: QueueStats) -> Overview:
        workers = await self._dispatch.workers_seen()
        webs = await self._attendance.attend(self._me())
        return overview(stats, workers, webs, time.time())


def _without_time(board: Board) -> Board:
    """That time has passed is no change."""
    return {**board, "overview": {**board["overview"], "now": ""}}
