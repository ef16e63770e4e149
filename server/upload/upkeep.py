"""What has to be done again and again, whoever is working: lapsed leases, old uploads, hints that were lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from server.upload.errors import NotFound, RoomcastError
from server.upload.events import Upload, results_folder, source_name
from server.upload.lifecycle import Stage
from server.upload.media import MediaStore
from server.upload.opening import Parts
from server.upload.process import in_background

log = structlog.get_logger(__name__)

_ANNOUNCE_SECONDS = 5.0
_EXPIRE_SECONDS = 60.0
_SWEEP_SECONDS = 3600.0
_STALE_SECONDS = 86400.0


@dataclass
class _Duty:
    """Something to be done every so many seconds. That it failed once is no reason not to do it again."""

    do: Callable[[], Awaitable[None]]
    seconds: float
    due_at: float = 0.0

    def __post_init__(self) -> None:
        self.due_at = self.due_at or time.monotonic() + self.seconds

    async def see_to_it(self) -> None:
        if time.monotonic() < self.due_at:
            return
        self.due_at = time.monotonic() + self.seconds
        try:
            await self.do()
        except RoomcastError:
            log.exception("upkeep failed", duty=self.do.__name__)


@dataclass(frozen=True)
class Terms:
    """How long things may last, in seconds."""

    lease_seconds: float
    reservation_seconds: float
    retention_seconds: float


class Upkeep:
    """Keeps the ledger, the media store and the dispatch in step."""

    def __init__(self, parts: Parts, terms: Terms) -> None:
        self._ledger = parts.ledger
        self._media = parts.media
        self._dispatch = parts.dispatch
        self._terms = terms
        self._pause = min(1.0, terms.lease_seconds / 4)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what an earlier life left (settle its leases, announce all that waits), and then go on for good."""
        try:
            await self._reap()
            for upload_id in await self._ledger.queue():
                await self._dispatch.announce(upload_id, 0)
        except RoomcastError:
            log.exception("upkeep failed")
        async with in_background(self._run()):
            yield

    async def _run(self) -> None:
        duties = (
            _Duty(self._sweep, _SWEEP_SECONDS, due_at=time.monotonic()),
            _Duty(self._reap, self._pause),
            _Duty(self._announce_again, _ANNOUNCE_SECONDS),
            _Duty(self._expire, _EXPIRE_SECONDS),
        )
        while True:
            for duty in duties:
                await duty.see_to_it()
            await asyncio.sleep(self._pause)

    async def _reap(self) -> None:
        reserved_before = time.time() - self._terms.reservation_seconds
        for upload in await self._ledger.reap(reserved_before=reserved_before):
            log.warning("lapsed", upload=upload.id, stage=upload.stage, attempt=upload.state.attempt)
            await settle_files(self._media, upload)
            if upload.stage is Stage.QUEUED:
                await self._dispatch.announce(upload.id, upload.seq)

    async def _announce_again(self) -> None:
        """The backstop for a lost hint. One is enough: a worker that is awake goes on until nothing waits."""
        for upload_id in (await self._ledger.queue())[:1]:
            await self._dispatch.announce(upload_id, -int(time.time()))

    async def _expire(self) -> None:
        while expired := await self._ledger.expire(time.time() - self._terms.retention_seconds):
            log.info("expired", uploads=len(expired))
            await self._sweep()

    async def _sweep(self) -> None:
        """Delete what a crash left: between an upload's end and the deletion of its files, or half written."""
        for name in await self._media.sources():
            if not await self._wants(name):
                await self._media.discard_source(name)
        await self._media.sweep(max(_STALE_SECONDS, self._terms.reservation_seconds))

    async def _wants(self, name: str) -> bool:
        """Whether the upload that a source belongs to still has a use for it."""
        try:
            upload = await self._ledger.get(name.partition(".")[0])
        except NotFound:
            return False
        return name == source_name(upload) and (not upload.state.terminal or may_run_again(upload))


async def settle_files(media: MediaStore, upload: Upload) -> None:
    """Delete the files that an upload in this stage has no use for any more."""
    match upload.stage:
        case Stage.DONE:
            await media.discard_source(source_name(upload))
        case Stage.CANCELLED:
            await media.discard_source(source_name(upload))
            await media.discard_results(results_folder(upload))
        case Stage.FAILED:
            await media.discard_results(results_folder(upload))
            if not may_run_again(upload):
                await media.discard_source(source_name(upload))


def may_run_again(upload: Upload) -> bool:
    """Whether a failed upload's source is worth keeping for a retry."""
    failed = upload.stage is Stage.FAILED and upload.source is not None
    return failed and bool(upload.error and upload.error["retryable"])
