"""What has to be done again and again, whoever is working: lapsed leases, old uploads, hints that were lost.

What it deletes from the media store is the ledger's own. A ledger that is another than the one whose sources lie there
(a wrong database number, a staging system on production's bucket) would take them all for left over. So the store bears
the id of its ledger's deployment, and nothing is deleted when that is another; and a source of which the ledger knows
nothing (it may be a backup that was restored) is left alone for a day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from roomcast.errors import NotFound
from roomcast.media.contract import MediaStore
from roomcast.runtime.tasks import background_task
from roomcast.services.backends import Backends
from roomcast.settings import RetentionSettings
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload, results_folder, source_key

log = structlog.get_logger(__name__)

_ANNOUNCE_SECONDS = 5.0
_EXPIRE_SECONDS = 60.0
_TIDY_SECONDS = 60.0
_TIDY_AFTER_START_SECONDS = 5.0
_SWEEP_SECONDS = 3600.0
_STALE_SECONDS = 86400.0
_ANNOUNCED_AT_START = 64
_LATELY_SECONDS = 30.0
"""For how long a round of upkeep may be under way before it is said that upkeep does not run."""


@dataclass
class _Duty:
    """Something to be done every so many seconds. That it failed once is no reason not to do it again."""

    do: Callable[[], Awaitable[None]]
    seconds: float
    first_after: float | None = None
    """Seconds, when the first time comes sooner than that."""

    def __post_init__(self) -> None:
        self.due_at = time.monotonic() + (self.seconds if self.first_after is None else self.first_after)

    async def see_to_it(self) -> None:
        if time.monotonic() < self.due_at:
            return
        self.due_at = time.monotonic() + self.seconds
        await _logged(self.do)


async def _logged(do: Callable[[], Awaitable[None]]) -> None:
    try:
        await do()
    except Exception:
        log.exception("upkeep failed", duty=getattr(do, "__name__", ""))


class _Use(Enum):
    """What the ledger knows of a source."""

    WANTED = auto()
    OVER = auto()
    UNKNOWN = auto()


class Maintenance:
    """Keeps the ledger, the media store and the dispatch in step."""

    def __init__(self, parts: Backends, retention: RetentionSettings, *, lease_seconds: float) -> None:
        self._ledger = parts.ledger
        self._media = parts.media
        self._dispatch = parts.dispatch
        self._retention = retention
        self._pause = min(1.0, lease_seconds / 4)
        self._ran_at = time.monotonic()
        self.warning: str | None = None
        """Why nothing is deleted from the media store, if that is so."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what an earlier life left (settle its leases, announce what waits), and then go on for good."""
        for do in (self._reap, self._announce_all):
            await _logged(do)
        async with AsyncExitStack() as stack:
            for name, duties in self._duties().items():
                await stack.enter_async_context(background_task(self._run(duties), name))
            yield

    def idle_seconds(self) -> float | None:
        """How long ago leases were last looked after, when that is too long; None when it was lately."""
        seconds = time.monotonic() - self._ran_at
        return seconds if seconds > _LATELY_SECONDS else None

    def _duties(self) -> dict[str, Sequence[_Duty]]:
        """What may take its time is apart from what may not wait."""
        return {
            "upkeep": (_Duty(self._reap, self._pause), _Duty(self._announce_again, _ANNOUNCE_SECONDS)),
            "clearing up": (
                _Duty(self._claim_media, _SWEEP_SECONDS, first_after=0),
                _Duty(self._tidy, _TIDY_SECONDS, first_after=_TIDY_AFTER_START_SECONDS),
                _Duty(self._expire, _EXPIRE_SECONDS),
                _Duty(self._sweep, _SWEEP_SECONDS),
            ),
        }

    async def _run(self, duties: Sequence[_Duty]) -> None:
        while True:
            for duty in duties:
                await duty.see_to_it()
            await asyncio.sleep(self._pause)

    async def _reap(self) -> None:
        reserved_before = time.time() - self._retention.reservation_seconds
        try:
            lapsed = await self._ledger.expire_leases(reserved_before=reserved_before)
        finally:
            self._ran_at = time.monotonic()
        for upload in lapsed:
            log.warning("lapsed", upload=upload.id, stage=upload.stage, attempt=upload.state.attempt)
            await settle_files(self._media, upload)
            if upload.stage is Stage.QUEUED:
                await self._dispatch.wake(upload.id, upload.seq)

    async def _announce_all(self) -> None:
        """As many as there may be workers: one that is awake goes on until nothing waits."""
        for upload_id in (await self._ledger.queue())[:_ANNOUNCED_AT_START]:
            await self._dispatch.wake(upload_id, 0)

    async def _announce_again(self) -> None:
        """The backstop for a lost hint. One is enough, from whichever process."""
        for upload_id in (await self._ledger.queue())[:1]:
            await self._dispatch.wake(upload_id, -int(time.time() / _ANNOUNCE_SECONDS))

    async def _expire(self) -> None:
        while expired := await self._ledger.prune(time.time() - self._retention.retention_seconds):
            log.info("expired", uploads=len(expired))
            if await self._owns_media():
                gone = set(expired)
                for name in await self._media.list_sources():
                    if _upload_id(name) in gone:
                        await self._media.discard_source(name)

    async def _tidy(self) -> None:
        """Delete the sources that a crash left between an upload's end and the deletion of its files."""
        if await self._owns_media():
            for name in await self._media.list_sources():
                if await self._use(name) is _Use.OVER:
                    await self._media.discard_source(name)

    async def _sweep(self) -> None:
        """Delete what is left over otherwise, or half written, once it has lain there for a day."""
        if not await self._owns_media():
            return
        for name in await self._media.list_sources(older_than_seconds=_STALE_SECONDS):
            if await self._use(name) is not _Use.WANTED:
                await self._media.discard_source(name)
        await self._media.sweep(max(_STALE_SECONDS, self._retention.reservation_seconds))

    async def _claim_media(self) -> None:
        await self._owns_media()

    async def _owns_media(self) -> bool:
        """Whether the media store belongs to this ledger; when it does not, that is logged, once."""
        mine = await self._ledger.deployment()
        theirs = await self._media.claim_deployment(mine)
        warning = None if theirs == mine else _not_ours(self._media.deployment_location, theirs, mine)
        if warning and warning != self.warning:
            log.error("media store of another deployment", reason=warning)
        self.warning = warning
        return warning is None

    async def _use(self, name: str) -> _Use:
        """What the upload that a source belongs to needs it for."""
        try:
            upload = await self._ledger.get(_upload_id(name))
        except NotFound:
            return _Use.UNKNOWN
        if name != source_key(upload):
            return _Use.UNKNOWN  # of an earlier life, or of one that this ledger does not know of
        return _Use.OVER if upload.state.terminal and not may_run_again(upload) else _Use.WANTED


def _upload_id(name: str) -> str:
    return name.partition(".")[0]


def _not_ours(where: str, theirs: str, mine: str) -> str:
    return (
        f"The media store belongs to the deployment {theirs} and the ledger to {mine}: no left-over source is deleted. "
        f"Give each deployment a media store of its own. If this ledger has taken the other's place, delete {where}."
    )


async def settle_files(media: MediaStore, upload: Upload) -> None:
    """Delete the files that an upload in this stage has no use for any more."""
    match upload.stage:
        case Stage.DONE:
            await media.discard_source(source_key(upload))
        case Stage.CANCELLED:
            await media.discard_source(source_key(upload))
            await media.discard_results(results_folder(upload))
        case Stage.FAILED:
            await media.discard_results(results_folder(upload))
            if not may_run_again(upload):
                await media.discard_source(source_key(upload))


def may_run_again(upload: Upload) -> bool:
    """Whether a failed upload's source is worth keeping for a retry."""
    failed = upload.stage is Stage.FAILED and upload.source is not None
    return failed and bool(upload.error and upload.error["retryable"])
