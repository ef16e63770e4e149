"""Periodic maintenance: expire leases and old uploads, finish deletions, repeat lost wake-ups, delete unused files.

Every process runs it. It deletes files only from the media store of its own ledger: to another ledger (a wrong database
number, a staging system on the production bucket) all sources would look unused. The media store therefore has the id
of its ledger's deployment: a process does not start with another id, and if the ids begin to differ later, nothing is
deleted.

A ledger may also be older than its media store: a restored backup, a replica that was behind. It then believes that
uploads which have ended since are unfinished, or knows an earlier upload with the same id. So a source that this ledger
cannot account for is kept for a day, and results are deleted only where an attempt known to it may have written them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from enum import Enum, auto
from functools import partial

import structlog

from roomcast.errors import NotFound
from roomcast.ledger.unreadable import is_unreadable
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import periodic, process_heartbeats
from roomcast.services.backends import Backends, foreign_media
from roomcast.services.deletion import Deletion, clean_up_after_end, is_retryable, received_unknown_to
from roomcast.settings.retention import RetentionSettings
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload, source_key, source_owner

log = structlog.get_logger(__name__)

_WAKE_SECONDS = 5.0
_EXPIRE_SECONDS = 60.0
_CLEANUP_SECONDS = 5.0
_TIDY_SECONDS = 60.0
_TIDY_AFTER_START_SECONDS = 5.0
_SWEEP_SECONDS = 3600.0
_STALE_SECONDS = 86400.0
_WAKES_AT_START = 64
_REPORT_SECONDS = 60.0
_CLEAN_UP_SECONDS = 3600.0
"""How long one deletion of unused files may take: a bucket may have many."""


class _SourceUse(Enum):
    """Whether the ledger needs a source."""

    NEEDED = auto()
    UNNEEDED = auto()
    UNKNOWN = auto()


class Maintenance:
    """Keeps the ledger, the media store and the dispatch consistent."""

    def __init__(
        self,
        backends: Backends,
        retention: RetentionSettings,
        *,
        lease_seconds: float,
        deletion: Deletion | None = None,
    ) -> None:
        """Without `deletion`, which needs the records of web processes, those finish deletions."""
        self._ledger = backends.ledger
        self._media = backends.media
        self._dispatch = backends.dispatch
        self._retention = retention
        self._deletion = deletion
        self._pause = min(1.0, lease_seconds / 4)
        self.warning: str | None = None
        """Why nothing is deleted from the media store, or None."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Expire the leases that an earlier process left, wake workers for queued uploads, and run until exit."""
        for do in (self._expire_leases, self._wake_all):
            try:
                await do()
            except Exception:
                log.exception("maintenance_failed", task=do.__name__)
        async with AsyncExitStack() as stack:
            for loop in self._loops():
                await stack.enter_async_context(loop)
            yield

    def _loops(self) -> Iterator[AbstractAsyncContextManager[None]]:
        """Yield loops that run side by side: a slow deletion must not delay the leases."""
        every = partial(periodic, failure_event="maintenance_failed")
        yield every(self._expire_leases, self._pause, name="leases", first_after=self._pause)
        yield every(self._repeat_wake, _WAKE_SECONDS, name="wake-ups", first_after=_WAKE_SECONDS)
        yield every(self._report_overdue, _REPORT_SECONDS, name="overdue loops", first_after=_REPORT_SECONDS)
        clean_up = partial(every, overdue_seconds=_CLEAN_UP_SECONDS)
        yield clean_up(self._claim_media, _SWEEP_SECONDS, name="media ownership")
        yield clean_up(self._tidy, _TIDY_SECONDS, name="unused sources", first_after=_TIDY_AFTER_START_SECONDS)
        yield clean_up(self._expire, _EXPIRE_SECONDS, name="expired uploads", first_after=_EXPIRE_SECONDS)
        if self._deletion:
            yield clean_up(partial(self._clean_up, self._deletion), _CLEANUP_SECONDS, name="cleanups")
        yield clean_up(self._sweep, _SWEEP_SECONDS, name="stale files", first_after=_SWEEP_SECONDS)

    async def _report_overdue(self) -> None:
        for sentence in process_heartbeats().overdue():
            log.error("loop_overdue", reason=sentence)

    async def _expire_leases(self) -> None:
        expired = await self._ledger.expire_leases(reserved_seconds=self._retention.reservation_seconds)
        for upload in expired:
            log.warning("lease_expired", upload=upload.id, stage=upload.stage, attempt=upload.state.attempt)
            if self.warning is None:
                await clean_up_after_end(self._ledger, self._media, upload)
            if upload.stage is Stage.QUEUED:
                await self._dispatch.wake(upload.id, upload.seq)

    async def _wake_all(self) -> None:
        """Wake as many workers as there may be. A worker that is awake continues until the queue is empty."""
        for upload_id in (await self._ledger.queue())[:_WAKES_AT_START]:
            await self._dispatch.wake(upload_id, 0)

    async def _repeat_wake(self) -> None:
        """Repeat one wake-up, in case one was lost. One process's is enough."""
        for upload_id in (await self._ledger.queue())[:1]:
            await self._dispatch.wake(upload_id, -int(unix_time() / _WAKE_SECONDS))

    async def _expire(self) -> None:
        while expired := await self._ledger.prune(retention_seconds=self._retention.retention_seconds):
            log.info("uploads_expired", count=len(expired))
            if await self._owns_media():
                gone = set(expired)
                for name in await self._stale_sources():
                    if source_owner(name) in gone:
                        await self._media.discard_source(name)

    async def _clean_up(self, deletion: Deletion) -> None:
        """Finish deletions that a fault has interrupted, and delete what has expired by its template."""
        due = await self._ledger.claim_cleanup()
        if due and await self._owns_media():
            while due:
                await deletion.clean_up(due)
                due = await self._ledger.claim_cleanup()

    async def _tidy(self) -> None:
        """Delete the sources that remained after a crash between an upload's end and the deletion of its files."""
        if await self._owns_media():
            for name, modified_at in (await self._media.list_sources()).items():
                if await self._use(name, modified_at) is _SourceUse.UNNEEDED:
                    await self._media.discard_source(name)

    async def _sweep(self) -> None:
        """Delete other unused or partly written files that are older than a day."""
        if not await self._owns_media():
            return
        for name, modified_at in (await self._stale_sources()).items():
            if await self._use(name, modified_at) is not _SourceUse.NEEDED:
                await self._media.discard_source(name)
        await self._media.sweep(max(_STALE_SECONDS, self._retention.reservation_seconds))

    async def _stale_sources(self) -> dict[str, float]:
        """Return the sources to which nothing was added for a day, with the time at which something was."""
        before = unix_time() - _STALE_SECONDS
        return {name: at for name, at in (await self._media.list_sources()).items() if at < before}

    async def _claim_media(self) -> None:
        await self._owns_media()

    async def _owns_media(self) -> bool:
        """Return whether the media store belongs to this ledger. When it does not, log that once."""
        foreign = await foreign_media(self._ledger, self._media)
        warning = f"{foreign} Meanwhile no unused source is deleted." if foreign else None
        if warning and warning != self.warning:
            log.error("media_store_of_another_deployment", reason=warning)
        self.warning = warning
        return warning is None

    async def _use(self, name: str, modified_at: float) -> _SourceUse:
        """Return whether the upload of a source, which was last added to at `modified_at`, still needs it."""
        try:
            upload = await self._ledger.get(source_owner(name))
        except NotFound:
            return _SourceUse.UNKNOWN
        if is_unreadable(upload):
            return _SourceUse.NEEDED  # a version that can read the record may follow
        if name != source_key(upload):
            return _SourceUse.UNKNOWN  # the source of an earlier life, or of an upload that this ledger does not know
        if not upload.state.terminal or is_retryable(upload) or _stores_source(upload):
            return _SourceUse.NEEDED
        if modified_at >= upload.updated_at or await received_unknown_to(upload, self._media):
            return _SourceUse.UNKNOWN
        return _SourceUse.UNNEEDED


def _stores_source(upload: Upload) -> bool:
    """Return whether a completed upload's source is stored until it expires."""
    return upload.stage is Stage.DONE and upload.source_expires_at is not None
