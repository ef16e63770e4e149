"""Taking in files: under a lease, hashed, and with an end that the room hears of, whatever it is."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from roomcast.dispatch.contract import Dispatch
from roomcast.errors import (
    CancelledByOwner,
    DiskFull,
    Interrupted,
    LeaseLost,
    Malformed,
    RoomcastError,
    StorageError,
    WrongState,
)
from roomcast.http.intake.digests import Digests
from roomcast.http.intake.pipeline import BROKEN, BodyPipeline, Chunks, Pace, Timed, judge, too_large
from roomcast.ledger.contract import Claim, Ledger
from roomcast.ledger.lease import StopReason, run_under_lease
from roomcast.media.contract import Data, MediaStore, ResumableSources
from roomcast.runtime.process import log_context
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.settings import IntakeSettings
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Source, Tick, Upload, error_body, is_resumable, source_key
from roomcast.uploads.sniff import Sniffed
from roomcast.uploads.templates import Template
from roomcast.uploads.transitions import cancelled, paused

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.25


class Superseded(WrongState):
    """Another request goes on with the upload."""

    @property
    def retryable(self) -> bool:
        return True


@dataclass(frozen=True)
class Choice:
    """What a client wants to be done with its file: by which template, and in which folder, if it names one."""

    template: Template
    folder: str | None = None


class Receiver:
    """Takes in files for one web process."""

    def __init__(
        self,
        ledger: Ledger,
        media: MediaStore,
        sources: ResumableSources,
        dispatch: Dispatch,
        settings: IntakeSettings,
        *,
        lease_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._sources = sources
        self._dispatch = dispatch
        self._settings = settings
        self._lease_seconds = lease_seconds
        self._pace = Pace(settings.viewer_bytes_per_second)
        self._holder = f"web.{socket.gethostname()}"
        self._arriving = 0
        self._ending: set[str] = set()
        """The leases whose last write, which ends them, has begun."""
        self._quiet = asyncio.Event()
        self._quiet.set()

    def largest(self, template: Template) -> int:
        """The largest file under a template."""
        return min(template.max_bytes or self._settings.max_upload_bytes, self._settings.max_upload_bytes)

    def check_length(self, length: int, template: Template) -> None:
        """`TooLarge` for a file of so many bytes under a template."""
        if length > self.largest(template):
            raise too_large(self.largest(template))

    async def check_room(self, size: int) -> None:
        """`DiskFull` unless `size` more bytes fit and the reserve stays free."""
        free = await self._media.free_bytes()
        if free is not None and free - self._settings.disk_reserve_bytes < size:
            raise DiskFull("There is no room for this file at the moment.")

    async def receive(
        self, upload: Upload, chunks: Chunks, choice: Awaitable[Choice], *, early: Template, total: int | None = None
    ) -> Upload:
        """Take in the upload's bytes and queue it; the queued upload.

        `choice` may become known only after the last byte; the template `early` judges the first ones. `total` is how
        many bytes are expected, as far as is known, for the progress bar alone. However it ends, the room is told and
        nothing partial remains; a failure is raised when that is done.
        """
        return await self.settle(upload, lambda claim: self._take_in(claim, chunks, choice, early, total))

    async def drain(self, seconds: float) -> None:
        """Wait, for so long at most, until no file is arriving."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._arriving += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._arriving -= 1
            if not self._arriving:
                self._quiet.set()

    def digests(self, upload: Upload) -> Digests:
        """For the upload's bytes: what is wanted of all, and an MD5 that was declared."""
        return Digests(self._settings.algorithms | ({"md5"} if upload.declared_md5 else set()))

    def timed(self, chunks: Chunks) -> Timed:
        """The chunks of a body; `Stalled` when no more come."""
        return Timed(aiter(chunks), self._settings.body_stall_seconds)

    def paced(self, upload: Upload, chunks: AsyncIterable[Data]) -> Chunks:
        """The chunks as fast as the upload's viewer may send."""
        return self._pace.keep(upload.owner, chunks)

    async def settle(
        self, upload: Upload, take_in: Callable[[Claim], Awaitable[Upload]], *, over: bool = False
    ) -> Upload:
        """Do `take_in` under a lease on the receiving upload, taken `over` from another if need be; what it returns.

        Its failures end the upload, but for those that sending again can mend, when it waits for more.
        """
        with self._counted(), log_context(upload.id):
            return await self._settle(upload, take_in, over=over)

    async def _settle(self, upload: Upload, take_in: Callable[[Claim], Awaitable[Upload]], *, over: bool) -> Upload:
        seconds = self._lease_seconds
        claim = await self._ledger.claim(upload.id, holder=self._holder, seconds=seconds, steal=over)
        try:
            finishing = partial(self._ending.__contains__, claim.lease.token)
            outcome = await run_under_lease(
                self._ledger, claim.lease, take_in(claim), seconds=seconds, finishing=finishing
            )
        except RoomcastError as error:
            await self._end(claim, error)
            raise
        except asyncio.CancelledError:
            interrupted = Interrupted("The server stopped while the file was arriving.")
            await finish_despite_cancel(lambda: self._end(claim, interrupted))
            raise
        except Exception as error:
            failure = _from_connection(error)
            await self._end(claim, failure)
            raise failure from error
        finally:
            self._ending.discard(claim.lease.token)
        if outcome is StopReason.CANCEL_REQUESTED:
            await self._media.discard_source(source_key(upload))
            with suppress(LeaseLost):
                await self._ledger.append(upload.id, cancelled(Stage.RECEIVING), token=claim.lease.token)
            raise CancelledByOwner("The upload was cancelled.")
        if outcome is StopReason.LEASE_LOST and over:
            raise Superseded("Another request goes on with this upload.")
        if isinstance(outcome, StopReason):
            raise StorageError("The upload was given up while its bytes arrived; send it again.")
        return outcome

    async def _take_in(
        self, claim: Claim, chunks: Chunks, choice: Awaitable[Choice], early: Template, total: int | None
    ) -> Upload:
        """Under the lease: bytes, then the source, then the queue."""
        upload, digests = claim.upload, self.digests(claim.upload)
        async with self._media.receive(source_key(upload)) as incoming:
            put, most = digests.beside(incoming.write), self._settings.max_upload_bytes
            arrival = BodyPipeline(put, self.tell(claim, total), most=most, declared=upload.bytes_expected, early=early)
            await arrival.take(self.paced(upload, self.timed(chunks)))
            judge(arrival.head, early)
            if upload.bytes_expected is not None and arrival.size < upload.bytes_expected:
                raise Malformed(
                    f"The file was declared to have {upload.bytes_expected} bytes, but {arrival.size} came."
                )
            chosen = await choice
            self.check_length(arrival.size, chosen.template)
            sniffed = judge(arrival.head, chosen.template)
            digests.check(upload)
            key = await incoming.commit()
        return await self.accept(claim, chosen.template, key, arrival.size, sniffed, digests, folder=chosen.folder)

    async def accept(
        self,
        claim: Claim,
        template: Template,
        key: str,
        size: int,
        sniffed: Sniffed,
        digests: Digests,
        *,
        folder: str | None = None,
    ) -> Upload:
        """The source is whole and safe: queue the upload, in a folder if one is named."""
        source = Source(key, size, sniffed.kind, sniffed.format, sniffed.mime, digests.md5, digests.sha256)
        change = Change(
            Entered(Stage.QUEUED),
            "Waiting for a worker",
            bytes_received=size,
            source=source,
            template=template.name,
            priority=template.priority,
            folder=folder,
        )
        queued = await self._unless_cancelled(claim, change)
        await self._dispatch.wake(queued.id, queued.seq)
        return queued

    async def pause(self, claim: Claim) -> Upload:
        """What has come is kept, and the upload waits for the rest as long as a reservation does."""
        upload = claim.upload
        received = await self._sources.received_bytes(source_key(upload))
        return await self._unless_cancelled(claim, paused(upload, received))

    async def _unless_cancelled(self, claim: Claim, change: Change) -> Upload:
        self._ending.add(claim.lease.token)
        upload = await self._ledger.append(claim.upload.id, change, token=claim.lease.token)
        if upload.stage is Stage.CANCELLED:
            await self._media.discard_source(source_key(upload))
            raise CancelledByOwner("The upload was cancelled.")
        return upload

    def tell(self, claim: Claim, total: int | None) -> Callable[[int], Awaitable[None]]:
        """Ticks of the bytes so far, at most four a second."""
        told = 0.0

        async def tell(size: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _TICK_SECONDS:
                told = time.monotonic()
                tick = Tick(min(1.0, size / total) if total else 0.0, bytes_received=size)
                await self._ledger.tick(claim.upload.id, tick, token=claim.lease.token)

        return tell

    async def _end(self, claim: Claim, error: RoomcastError) -> None:
        try:
            if error.retryable and is_resumable(claim.upload):
                await self.pause(claim)
            else:
                await self._fail(claim, error)
        except LeaseLost:
            log.info("the upload is another's by now", upload=claim.upload.id, code=error.code)
        except RoomcastError:
            # The ledger's own disk may be full: then the lapse of the lease tells.
            log.warning("failure not recorded", code=error.code, exc_info=True)

    async def _fail(self, claim: Claim, error: RoomcastError) -> None:
        change = Change(Failed(), error.message, error=error_body(error, Stage.RECEIVING))
        # Only who still holds the upload may delete its bytes: it may have been queued when all seemed to fail.
        await self._ledger.renew(claim.lease, seconds=self._lease_seconds)
        await self._media.discard_source(source_key(claim.upload))
        await self._ledger.append(claim.upload.id, change, token=claim.lease.token)


def _from_connection(error: Exception) -> RoomcastError:
    """What reading a body raises when its connection is gone; anything else is ours."""
    if isinstance(error, BROKEN):
        return Interrupted("The connection closed before the whole file had arrived.")
    log.error("receiving failed", exc_info=error)
    return RoomcastError("Something went wrong on the server.")
