"""Receive uploads: lease an upload, store and hash its bytes, and put it into the queue.

An upload that is being received always ends in a change that its room is notified of: it is queued, it waits for the
rest of its bytes, or it has failed or was cancelled, and then nothing of it remains in the media store.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from roomcast.errors import (
    CancelledByOwner,
    DiskFull,
    Interrupted,
    LeaseLost,
    RoomcastError,
    StorageError,
    WrongState,
    unexpected_error,
)
from roomcast.http.intake.pipeline import BodyPipeline, Chunks, OnProgress, RateLimiter, RequestBody
from roomcast.ledger.contract import Claim
from roomcast.ledger.lease import StopReason, append_final, run_under_lease
from roomcast.media.contract import Data, StagedSource
from roomcast.runtime.process import log_context
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.services.backends import Backends
from roomcast.services.quota import UploadQuota
from roomcast.settings.intake import IntakeSettings
from roomcast.tracing import span
from roomcast.uploads.lifecycle import Entered, Failed, Progressed, Stage
from roomcast.uploads.metadata import check_metadata
from roomcast.uploads.model import Change, Source, Tick, Upload, error_body, is_resumable, source_key
from roomcast.uploads.sniff import Sniffed
from roomcast.uploads.templates import Template
from roomcast.uploads.transitions import cancelled, paused
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.25
_FINISH_SECONDS = 10.0
"""For how long the answer to a complete body waits for a ledger that does not answer."""


class Superseded(WrongState):
    """A newer request has taken over the upload."""

    @property
    def retryable(self) -> bool:
        return True


class Receiver:
    """Receives uploads in one web process."""

    def __init__(
        self, backends: Backends, settings: IntakeSettings, quota: UploadQuota, *, lease_seconds: float
    ) -> None:
        self.settings = settings
        self.quota = quota
        self._backends = backends
        self._lease_seconds = lease_seconds
        self._rate_limiter = RateLimiter(settings.viewer_bytes_per_second)
        self._holder = f"web.{socket.gethostname()}"
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def check_space(self, size: int) -> None:
        """Raise `DiskFull` unless `size` more bytes fit beside the disk's reserve."""
        free = await self._backends.media.free_bytes()
        if free is not None and free - self.settings.disk_reserve_bytes < size:
            raise DiskFull("There is no room for this file at the moment.")

    def body(self, chunks: Chunks, viewer: Viewer) -> RequestBody:
        """Return the body of a request that the viewer sends in these chunks."""
        return RequestBody(
            chunks,
            viewer.client,
            self._rate_limiter,
            idle_seconds=self.settings.body_stall_seconds,
            min_bytes_per_second=self.settings.body_min_bytes_per_second,
        )

    async def run_leased(
        self, upload: Upload, work: Callable[[LeasedIntake], Awaitable[Upload]], *, steal: bool = False
    ) -> Upload:
        """Run `work` under a lease on an upload that is being received, and return its result.

        With `steal`, the lease is taken from its holder. When `work` fails, the upload waits for the rest of its
        bytes if it is resumable and the error is temporary; otherwise it has failed. Raises the error afterwards,
        `CancelledByOwner` when the owner cancelled meanwhile, and `Superseded` when a newer request took the lease.
        """
        with (
            self._counted(),
            log_context(upload.id),
            span("intake", parent=upload.traceparent, link=True, upload_id=upload.id),
        ):
            ledger, seconds = self._backends.ledger, self._lease_seconds
            claim = await ledger.claim(upload.id, holder=self._holder, seconds=seconds, steal=steal)
            intake = LeasedIntake(claim, self._backends, self.settings, lease_seconds=seconds)
            try:
                outcome = await run_under_lease(
                    ledger, claim.lease, work(intake), seconds=seconds, finishing=lambda: intake.finishing
                )
            except RoomcastError as error:
                await intake.end(error)
                raise
            except asyncio.CancelledError:
                stopped = Interrupted("The server stopped while the file was arriving.")
                await finish_despite_cancel(lambda: intake.end(stopped))
                raise
            except Exception as error:
                log.exception("upload_not_received")
                failure = unexpected_error()
                await intake.end(failure)
                raise failure from error
            if outcome is StopReason.CANCEL_REQUESTED:
                await intake.cancel()
                raise CancelledByOwner("The upload was cancelled.")
            if outcome is StopReason.LEASE_LOST and steal:
                raise Superseded("Another request has taken over this upload.")
            if isinstance(outcome, StopReason):
                raise StorageError("The server lost track of the upload while its bytes arrived. Send it again.")
            return outcome

    async def drain(self, seconds: float) -> None:
        """Wait until no upload is being received any more, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()


class LeasedIntake:
    """One upload that is being received, and the lease under which that happens."""

    def __init__(self, claim: Claim, backends: Backends, settings: IntakeSettings, *, lease_seconds: float) -> None:
        self.upload = claim.upload
        self.finishing = False
        """Whether the write that ends the lease has begun."""
        self._lease = claim.lease
        self._ledger = backends.ledger
        self._media = backends.media
        self._sources = backends.resumable
        self._dispatch = backends.dispatch
        self._settings = settings
        self._lease_seconds = lease_seconds

    def pipeline(
        self, template: Template, *, offset: int = 0, head: bytes = b"", partial: bool = False
    ) -> BodyPipeline:
        """Return a pipeline for the upload's bytes from `offset` on; see `BodyPipeline`."""
        return BodyPipeline(self.upload, self._settings, template, offset=offset, head=head, partial=partial)

    def progress_reporter(self, total: int | None, *, stored: Callable[[], int] | None = None) -> OnProgress:
        """Return a callback that publishes the bytes so far, of `total` if known, at most four times a second.

        `stored` is given for an upload that can be resumed: it returns how many bytes need not be sent again, and
        those are published as received. The progress is that of the bytes that have come.
        """
        reported_at, reported = 0.0, 0

        async def report(size: int) -> None:
            nonlocal reported_at, reported
            received = stored() if stored else size
            if time.monotonic() - reported_at >= _TICK_SECONDS or (received and not reported):
                reported_at, reported = time.monotonic(), received
                tick = Tick(min(1.0, size / total) if total else 0.0, bytes_received=received)
                with suppress(RoomcastError):  # A lost tick does no harm, and a lost ledger shows in the renewals.
                    await self._ledger.tick(self.upload.id, tick, token=self._lease.token)

        return report

    @asynccontextmanager
    async def stored(
        self, chunks: AsyncIterable[Data], template: Template, *, total: int | None
    ) -> AsyncIterator[StoredFile]:
        """Store a complete file; inside the context it can be queued, and without that nothing of it remains.

        `template` is as for `BodyPipeline`; `total` is the expected number of bytes, for the progress only.
        """
        async with self._media.receive(source_key(self.upload)) as staged:
            pipeline = self.pipeline(template)
            await pipeline.run(chunks, staged.write, self.progress_reporter(total))
            pipeline.verify(template)
            yield StoredFile(self, staged, pipeline)

    async def enqueue(
        self,
        key: str,
        pipeline: BodyPipeline,
        detected: Sniffed,
        template: Template,
        *,
        folder: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Upload:
        """Put the upload into the queue: its source is complete and verified under this key. Return the new state.

        The upload's own metadata, which the application may have set, has precedence over `metadata`.
        """
        source = Source(
            key,
            pipeline.size,
            detected.kind,
            detected.format,
            detected.mime,
            pipeline.digests.hex("md5"),
            pipeline.digests.hex("sha256"),
        )
        added = None if metadata is None else check_metadata({**metadata, **self.upload.metadata})
        return await self.enqueue_source(source, template, folder=folder, metadata=added)

    async def enqueue_source(
        self,
        source: Source,
        template: Template,
        *,
        folder: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Upload:
        """Put the upload into the queue with a source that is complete and verified. Return the new state."""
        change = Change(
            Entered(Stage.QUEUED),
            "Waiting for a worker",
            bytes_received=source.size,
            source=source,
            template=template.name,
            priority=template.priority,
            folder=folder,
            metadata=metadata,
        )
        queued = await self._finish(change)
        await self._dispatch.wake(queued.id, queued.seq)
        return queued

    async def declare(self, text: str, size: int | None) -> Upload:
        """Record what is being done and how large the file is, unless that is recorded. Return the new state."""
        if self.upload.text != text or size not in (None, self.upload.bytes_expected):
            change = Change(Progressed(0.0), text, bytes_expected=size)
            self.upload = await self._ledger.append(self.upload.id, change, token=self._lease.token)
        return self.upload

    async def suspend(self) -> Upload:
        """Let the upload wait for the rest of its bytes, as long as a reservation waits. Return the new state."""
        return await self._finish(paused(self.upload, await self._sources.received_bytes(source_key(self.upload))))

    async def end(self, error: RoomcastError) -> None:
        """Record that receiving failed: the upload waits for more bytes if that can help, or has failed."""
        try:
            if error.retryable and is_resumable(self.upload):
                await self.suspend()
            else:
                await self._fail(error)
        except LeaseLost:
            log.info("upload_taken_over", code=error.code)
        except RoomcastError:
            # The ledger's own disk may be full. The upload then ends when its lease expires.
            log.warning("failure_not_recorded", code=error.code, exc_info=True)

    async def cancel(self) -> None:
        """Delete the bytes, and record that the owner cancelled the upload."""
        await self._media.discard_source(source_key(self.upload))
        with suppress(LeaseLost):
            await self._ledger.append(self.upload.id, cancelled(Stage.RECEIVING), token=self._lease.token)

    async def _finish(self, change: Change) -> Upload:
        """Append the change that ends the lease, unless the owner has cancelled the upload."""
        self.finishing = True
        upload = await append_final(
            self._ledger,
            self._lease,
            change,
            seconds=_FINISH_SECONDS,
            is_written=lambda found: change.source is not None and found.source == change.source,
        )
        if upload.stage is Stage.CANCELLED:
            await self._media.discard_source(source_key(upload))
            raise CancelledByOwner("The upload was cancelled.")
        return upload

    async def _fail(self, error: RoomcastError) -> None:
        change = Change(Failed(), error.message, error=error_body(error, Stage.RECEIVING))
        # Only the holder of the lease may delete the bytes: the upload may have been queued although the call failed.
        await self._ledger.renew(self._lease, seconds=self._lease_seconds)
        await self._media.discard_source(source_key(self.upload))
        await self._ledger.append(self.upload.id, change, token=self._lease.token)


@dataclass(frozen=True)
class StoredFile:
    """A complete file in the media store that is not queued yet."""

    intake: LeasedIntake
    staged: StagedSource
    pipeline: BodyPipeline

    async def enqueue(
        self, template: Template, *, folder: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Upload:
        """Verify the file under the template, make it durable and queue the upload; see `LeasedIntake.enqueue`."""
        detected = self.pipeline.verify(template)
        key = await self.staged.commit()
        return await self.intake.enqueue(key, self.pipeline, detected, template, folder=folder, metadata=metadata)
