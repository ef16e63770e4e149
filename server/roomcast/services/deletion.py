"""Delete the files that uploads do not need after their end, and uploads that have ended.

The event comes first: that the upload failed, was cancelled, or is deleted. From a deletion on every surface answers
that it was deleted, and listeners are notified. The files are deleted afterwards. A process that is killed in between,
or whose media store fails, leaves an upload that is due for a cleanup, which `services.maintenance` finishes. The
record of a deletion is removed a day later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from roomcast.assemblies.links import UploadLinks
from roomcast.assemblies.service import AssemblyService
from roomcast.errors import NotFound, RoomcastError, WrongState
from roomcast.ledger.contract import CLEANUP_SECONDS, DueCleanup, Ledger
from roomcast.ledger.unreadable import is_unreadable
from roomcast.media.contract import MediaStore
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Actor, Upload, results_folder, source_key
from roomcast.uploads.transitions import deleted

log = structlog.get_logger(__name__)

REMEMBERED_SECONDS = 86400.0
"""How long the ledger has the event that an upload was deleted, for listeners that were away."""

_CLEANUP_FRACTION = 0.75
"""The fraction of a claim after which a cleanup is stopped: a retry may follow the claim."""

_STEPS_WITHOUT_RESULTS = frozenset({Stage.RECEIVING, Stage.QUEUED, Stage.FETCHING})


class Deletion:
    """Deletes uploads, and what of them has expired."""

    def __init__(self, ledger: Ledger, media: MediaStore, assemblies: AssemblyService, links: UploadLinks) -> None:
        self._ledger = ledger
        self._media = media
        self._assemblies = assemblies
        self._links = links

    async def delete(self, upload: Upload, *, expired: bool = False, actor: Actor | None = None) -> Upload:
        """Delete an upload that has ended and return its last state. Raise `WrongState` if it has not ended."""
        await self._assemblies.reschedule(upload)  # the webhook is notified even if the event's notification is lost
        gone = await self._ledger.append(upload.id, replace(deleted(upload.stage, expired=expired), actor=actor))
        log.info("upload_deleted", upload=upload.id, expired=expired)
        await self._delete_files(gone)
        return gone

    async def clean_up(self, due: DueCleanup) -> None:
        """Delete what is due of the upload, whose cleanup this process has claimed. A failure is logged."""
        with _log_failure(due.upload):
            async with _cleanup_limit():
                await self._clean_up(due.upload, due.now)

    async def _clean_up(self, upload: Upload, now: float) -> None:
        if upload.stage is Stage.DELETED:
            await self._delete_files(upload)
            if upload.updated_at + REMEMBERED_SECONDS <= now:
                await self._ledger.remove(upload.id)
        elif upload.stage is not Stage.DONE:
            await cleanup_files(self._media, upload)
            await self._ledger.set_cleanup(upload.id, None)
        elif upload.results_expire_at is not None and upload.results_expire_at <= now:
            await self.delete(upload, expired=True)
        else:
            await _delete_files_of_completed(self._ledger, self._media, upload, now)

    async def _delete_files(self, upload: Upload) -> None:
        await self._media.discard_results(results_folder(upload))
        await self._media.discard_source(source_key(upload))
        await self._links.revoke_all(upload)
        await self._ledger.set_cleanup(upload.id, upload.updated_at + REMEMBERED_SECONDS)


async def clean_up_after_end(ledger: Ledger, media: MediaStore, upload: Upload) -> None:
    """Delete the files that an upload in a terminal stage does not need, unless another process is doing so; of a
    cancelled one, the source in any case.

    A failure is logged, because `services.maintenance` tries again.
    """
    if not upload.state.terminal:
        return
    with _log_failure(upload):
        if upload.stage is Stage.DONE:
            await cleanup_files(media, upload)
            if upload.unlisted_renditions and (due := await ledger.claim_cleanup(upload.id)):
                async with _cleanup_limit():
                    await _delete_files_of_completed(ledger, media, due.upload, due.now)
        elif due := await ledger.claim_cleanup(upload.id):
            async with _cleanup_limit():
                await cleanup_files(media, due.upload)
                await ledger.set_cleanup(upload.id, None)
        elif upload.stage is Stage.CANCELLED and not is_unreadable(upload):
            # Another process may not have deleted it yet, and the bytes must be gone when the cancel is answered. They
            # are this attempt's alone, so this cannot disturb a retry.
            async with _cleanup_limit():
                await media.discard_source(source_key(upload))


async def _delete_files_of_completed(ledger: Ledger, media: MediaStore, upload: Upload, now: float) -> None:
    """Delete the files of a completed upload that no playlist has, and those that expire before its results; then set
    when the next ones do."""
    source, segments, results = upload.source_expires_at, upload.segments_expire_at, upload.results_expire_at
    await delete_unlisted_segments(media, upload)
    if source is not None and source <= now:
        await media.discard_source(source_key(upload))
        log.info("source_expired", upload=upload.id)
    if segments is not None and segments <= now:
        await media.discard_segments(results_folder(upload))
        log.info("segments_expired", upload=upload.id)
    later = [at for at in (source, segments, results) if at is not None and at > now]
    await ledger.set_cleanup(upload.id, min(later, default=None))


async def delete_unlisted_segments(media: MediaStore, upload: Upload) -> None:
    """Delete the segments of a completed film that no playlist has."""
    for name in upload.unlisted_renditions:
        await media.discard_segments(results_folder(upload), beginning=f"hls-{name}-")


async def cleanup_files(media: MediaStore, upload: Upload) -> None:
    """Delete the files that an upload does not need in its terminal stage.

    Without a readable record, that is none. A complete source is not deleted when the ledger believes that it never
    arrived, because the media store then knows better.
    """
    if is_unreadable(upload):
        return
    match upload.stage:
        case Stage.DONE:
            if upload.source_expires_at is None:
                await media.discard_source(source_key(upload))
        case Stage.CANCELLED | Stage.DELETED:
            await media.discard_source(source_key(upload))
            await media.discard_results(results_folder(upload))
        case Stage.FAILED:
            if may_have_results(upload):
                await media.discard_results(results_folder(upload))
            else:  # an earlier attempt may have stored segments of a film
                await media.discard_segments(results_folder(upload))
            if not is_retryable(upload) and not await received_unknown_to(upload, media):
                await media.discard_source(source_key(upload))


def may_have_results(upload: Upload) -> bool:
    """Return whether the attempt that failed may have stored results."""
    return upload.error is None or upload.error["step"] not in _STEPS_WITHOUT_RESULTS


async def received_unknown_to(upload: Upload, media: MediaStore) -> bool:
    """Return whether the source of an upload that failed before it had arrived, as far as is known, has arrived."""
    arrived = upload.source is not None or upload.stage is not Stage.FAILED
    return not arrived and await media.has_source(source_key(upload))


def is_retryable(upload: Upload) -> bool:
    """Return whether a retry of a failed upload can use its source."""
    failed = upload.stage is Stage.FAILED and upload.source is not None
    return failed and bool(upload.error and upload.error["retryable"])


def _cleanup_limit() -> asyncio.Timeout:
    """Return the limit of a cleanup, which is stopped before the claim of it ends."""
    return asyncio.timeout(CLEANUP_SECONDS * _CLEANUP_FRACTION)


@contextmanager
def _log_failure(upload: Upload) -> Iterator[None]:
    try:
        yield
    except (NotFound, WrongState):
        pass  # it has been deleted, or is being retried
    except (RoomcastError, TimeoutError) as error:
        log.warning("cleanup_failed", upload=upload.id, stage=upload.stage, reason=str(error) or "It took too long.")
