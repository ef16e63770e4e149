"""Import files from other servers: each is received into its upload as if a client sent it in chunks.

A record beside the ledger has the address. Whichever web process claims it receives the file, under a lease on the
upload. What has arrived is durable, so a broken connection and a restarted server continue where it ended, if the other
server supports ranges and the file has not changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import structlog

from roomcast.assemblies.records import Import
from roomcast.assemblies.store import RecordStore
from roomcast.errors import (
    AddressRefused,
    ImportFailed,
    Interrupted,
    LeaseLost,
    NotFound,
    RoomcastError,
    TimedOut,
    WrongState,
)
from roomcast.http.intake.pipeline import IgnoreDisconnect, check_size
from roomcast.http.intake.receiver import LeasedIntake, Receiver
from roomcast.http.sources.remote_file import RemoteFile, RemoteFiles, check_url, filename_of
from roomcast.ledger.contract import Ledger, RecordWrite
from roomcast.media.contract import MediaStore, ResumableSources
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.process import log_context
from roomcast.runtime.tasks import cancel_and_wait, log_failure, periodic
from roomcast.uploads.lifecycle import Failed, Stage
from roomcast.uploads.model import Change, Upload, error_body, source_key
from roomcast.uploads.sniff import SNIFF_BYTES
from roomcast.uploads.templates import Templates
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0
_CLAIM_SECONDS = 10.0
"""How long after the death of its process an import is continued by another."""

_MAX_CONCURRENT = 4
_MAX_FAILURES = 5
"""Interruptions in a row, without a byte in between, after which an import fails."""

_BACKOFF = Backoff(0.5, cap=10.0, jitter=(0.5, 1.5))


class Importer:
    """The imports of one web process. With `private`, files of servers that are not on the public Internet may be
    imported, too. `max_seconds` is how long one may take, over all its interruptions."""

    def __init__(
        self,
        records: RecordStore[Import],
        ledger: Ledger,
        media: MediaStore,
        sources: ResumableSources,
        templates: Templates,
        receiver: Receiver,
        *,
        private: bool,
        max_seconds: float,
    ) -> None:
        self._records = records
        self._ledger = ledger
        self._media = media
        self._sources = sources
        self._templates = templates
        self._receiver = receiver
        self._private = private
        self._max_seconds = max_seconds
        self._wake = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def check(self, url: str) -> None:
        """Raise `AddressRefused` unless this can be the URL of a file to import."""
        check_url(url, private=self._private)

    def filename_of(self, url: str) -> str:
        """Return the name of the file that a URL leads to, as far as the URL says."""
        return filename_of(url)

    def as_write(self, upload: Upload, url: str) -> RecordWrite:
        """Return the record by which a file is fetched, for `UploadLog.create`."""
        return self._records.as_write(Import.new(upload, url))

    def wake(self) -> None:
        """Begin imports that are due soon."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Import files for the duration of the context. Those that have not arrived then are continued later."""
        self._files = RemoteFiles(private=self._private)
        poll = periodic(
            self._begin_due, _POLL_SECONDS, name="imports", wake=self._wake, failure_event="import_poll_failed"
        )
        try:
            async with poll:
                yield
        finally:
            await cancel_and_wait(*self._tasks.values())
            await self._files.close()

    async def _begin_due(self) -> None:
        """Begin the imports that are due, and renew the claims of those that this process has begun."""
        for upload_id in list(self._tasks):
            with suppress(NotFound):  # it has just ended
                await self._reschedule(upload_id, _CLAIM_SECONDS)
        free = _MAX_CONCURRENT - len(self._tasks)
        for record in await self._records.claim_due(limit=free, seconds=_CLAIM_SECONDS) if free > 0 else ():
            if record.id not in self._tasks:
                task = asyncio.create_task(self._import(record))
                self._tasks[record.id] = task
                task.add_done_callback(partial(self._ended, record.id))

    def _ended(self, upload_id: str, _: asyncio.Task[None]) -> None:
        self._tasks.pop(upload_id, None)
        self._wake.set()

    async def _reschedule(self, upload_id: str, seconds: float) -> None:
        await self._records.update(upload_id, lambda record: replace(record, due_at=unix_time() + seconds))

    async def _import(self, record: Import) -> None:
        """Receive a file to its end, and delete its record."""
        with log_context(record.id), log_failure("import_failed", upload=record.id):
            try:
                with suppress(NotFound):
                    await self._receive(record)
            except asyncio.CancelledError:
                with suppress(RoomcastError):
                    await self._reschedule(record.id, 0.0)
                raise
            await self._records.delete(record.id)

    async def _receive(self, record: Import) -> None:
        failures, received = 0, -1
        while True:
            upload = await self._ledger.get(record.id)
            if upload.stage is not Stage.RECEIVING:
                return  # it has arrived, or has ended otherwise
            try:
                left = record.created_at + self._max_seconds - unix_time()
                await self._attempt(upload, record.id, left)
            except LeaseLost:
                return
            except RoomcastError as error:
                size = await self._sources.received_bytes(source_key(upload))
                failures = 1 if size > received else failures + 1
                received = max(size, received)
                retried = error.retryable or isinstance(error, WrongState)
                if not retried or failures >= _MAX_FAILURES or isinstance(error, TimedOut):
                    await self._fail(record.id, error)
                    return
                log.info("import_interrupted", code=error.code, received=size)
                await _BACKOFF.wait(failures)

    async def _attempt(self, upload: Upload, record_id: str, left: float) -> None:
        """Receive what is missing of the file."""
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._receiver.run_leased(upload, lambda intake: self._receive_leased(intake, record_id))
        except TimeoutError:
            raise TimedOut(f"The file did not arrive within {self._max_seconds:g} seconds.") from None

    async def _receive_leased(self, intake: LeasedIntake, record_id: str) -> Upload:
        upload, record = intake.upload, await self._records.get(record_id)
        key, template = source_key(upload), self._templates.of(upload)
        offset = await self._sources.received_bytes(key)
        async with self._files.open(record.url, offset=offset, etag=record.etag) as remote:
            if remote.size is not None:
                if record.size not in (None, remote.size):
                    raise ImportFailed(f"The file has {remote.size} bytes, not {record.size} as declared.")
                check_size(remote.size, template, self._receiver.settings)
                await self._receiver.check_space(remote.size - remote.offset)
            if offset and not remote.offset:
                await self._media.discard_source(key)  # it has changed, or the server sends no ranges
            await self._records.update(record_id, lambda found: replace(found, etag=remote.etag))
            upload = await intake.declare("Fetching the file", remote.size)
            needs_head = 0 < remote.offset < SNIFF_BYTES
            head = await self._sources.read_head(key, SNIFF_BYTES) if needs_head else b""
            pipeline = intake.pipeline(template, offset=remote.offset, head=head)
            async with self._sources.append(key, remote.offset) as write:
                body = self._receiver.body(remote.chunks, Viewer(upload.owner))
                chunks = IgnoreDisconnect(body)
                report = intake.progress_reporter(remote.size, stored=lambda: write.stored)
                await pipeline.run(chunks, write, report, preserve=True)
        if chunks.error:
            raise chunks.error
        _check_complete(remote, pipeline.size)
        if not remote.offset:
            return await intake.enqueue(
                await self._sources.complete(key), pipeline, pipeline.verify(template), template
            )
        complete = intake.pipeline(template)
        key = await self._sources.complete(key, complete.inspect)
        return await intake.enqueue(key, complete, complete.verify(template), template)

    async def _fail(self, upload_id: str, error: RoomcastError) -> None:
        """Record that the import has failed for good."""
        if isinstance(error, Interrupted):
            error = ImportFailed(error.message)
        body = error_body(error, Stage.RECEIVING, retryable=False)
        with suppress(WrongState, NotFound):
            upload = await self._ledger.append(upload_id, Change(Failed(), error.message, error=body))
            await self._media.discard_source(source_key(upload))
        if not isinstance(error, AddressRefused):
            log.info("import_ended", code=error.code)


def _check_complete(remote: RemoteFile, size: int) -> None:
    if remote.size is not None and size != remote.size:
        raise Interrupted(f"The server of the file sent {size} of {remote.size} bytes.")
