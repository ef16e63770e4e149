"""Create submissions together with their uploads, find assemblies, and resolve an assembly's id as files arrive.

A submission and its uploads are created in one transaction, and so is each file that is added to a form. A form whose
process died is left with the files created so far; `roomcast.assemblies.finalizer` seals it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
import structlog

from roomcast.assemblies.event_cursors import EventCursor
from roomcast.assemblies.model import (
    Submission,
    SubmittedFile,
    all_completed,
    assembly_id,
    md5_of,
    new_submission_id,
    received,
    with_id,
)
from roomcast.assemblies.records import PublishCursor
from roomcast.assemblies.store import RecordStore
from roomcast.errors import NotFound, RoomcastError
from roomcast.ledger.contract import RecordConflict, RecordWrite, UploadLog
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload

log = structlog.get_logger(__name__)

CHECK_SECONDS = 3.0
"""How long after a change a submission is checked if no notification causes it earlier."""

_EVENT_SECONDS = 10.0
"""When an upload's events are delivered after it has changed. Not earlier, because the cursor may be leased."""

FIELD = "file"
"""The form field of files that were not sent in a form."""

_ASSEMBLY_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Assembly:
    """A submission whose id is resolved, and its uploads that have content."""

    submission: Submission
    uploads: list[Upload]


class AssemblyService:
    """Creates and finds submissions and assemblies.

    `reproducible`: whether everyone who has the files can compute the assembly's id. It must be False where knowing an
    id grants access. `cursors` is given if the steps of uploads are published to a queue, and `event_cursors` if the
    application has listeners to their events.
    """

    def __init__(
        self,
        records: RecordStore[Submission],
        ledger: UploadLog,
        *,
        reproducible: bool,
        cursors: RecordStore[PublishCursor] | None = None,
        event_cursors: RecordStore[EventCursor] | None = None,
    ) -> None:
        self._records = records
        self._cursors = cursors
        self._event_cursors = event_cursors
        self._ledger = ledger
        self._reproducible = reproducible

    async def create(
        self, uploads: Sequence[Upload], *, in_flight: int | None = None, records: Sequence[RecordWrite] = ()
    ) -> Submission:
        """Create a submission of exactly these uploads, with `records`; raises what `UploadLog.create` raises."""
        return await self._create(uploads, FIELD, in_flight=in_flight, closed=True, others=records)

    async def add_file(self, upload: Upload, field: str, form: str | None, *, in_flight: int | None = None) -> str:
        """Add an upload to the form whose submission id is `form`, or to a new form (None); return the submission id.

        Raises what `UploadLog.create` raises.
        """
        if form is None:
            return (await self._create([upload], field, in_flight=in_flight, closed=False)).id
        file = SubmittedFile(upload.id, field)
        while True:
            before = await self._records.get(form)
            after = replace(before, files=(*before.files, file), closed=False, revision=before.revision + 1)
            with suppress(RecordConflict):  # another process changed the submission: read it again
                await self._ledger.create(
                    [replace(upload, submission=form)],
                    in_flight=in_flight,
                    records=[self._records.as_write(after), *self._event_records([upload])],
                )
                return form

    async def seal(self, form: str | None) -> str | None:
        """Record that the form has no more files; return the assembly's id if it is known by now."""
        if form is None:
            return None
        try:
            await self._records.update(form, lambda submission: replace(submission, closed=True))
        except RoomcastError:
            log.warning("form_not_sealed", submission=form, exc_info=True)
            return None
        return await self.resolve_id(form)

    async def resolve_id(self, submission_id: str | None) -> str | None:
        """Return the assembly's id if it is known by now, and store it in the submission.

        Failures are logged and return None: the finalizer resolves the id later.
        """
        if submission_id is None:
            return None
        try:
            submission = await self._records.get(submission_id)
            uploads = await self.uploads(submission)
            after = with_id(submission, uploads)
            if after != submission:
                after = await self._records.update(submission_id, lambda submission: with_id(submission, uploads))
        except RoomcastError:
            log.warning("assembly_id_not_resolved", submission=submission_id, exc_info=True)
            return None
        return after.assembly_id

    async def uploads(self, submission: Submission) -> list[Upload]:
        """Return the submission's uploads in its order, without those that were pruned or deleted."""
        return [upload for upload in await self.with_deleted(submission) if upload.stage is not Stage.DELETED]

    async def with_deleted(self, submission: Submission) -> list[Upload]:
        """Return the submission's uploads in its order, also deleted ones, without those that the ledger has no more.

        After an upload was pruned, a client may choose its id again, for an upload of another submission.
        """
        found = await asyncio.gather(*(self._find(file.upload_id) for file in submission.files))
        return [upload for upload in found if upload and upload.submission == submission.id]

    async def submission_of(self, upload: Upload) -> Submission | None:
        """Return the upload's submission, or None if it has none or its record was deleted."""
        try:
            return await self._records.get(upload.submission) if upload.submission else None
        except NotFound:
            return None

    async def with_id(self, assembly_id: str) -> AsyncIterator[Assembly]:
        """Yield the assemblies with this id, latest first.

        They may have several owners: the parts of an id are hashed without separators, so that the template `clip` of
        the user `12` has the ids of the template `clip1` of the user `2`.
        """
        if _ASSEMBLY_ID.fullmatch(assembly_id):
            for submission in await self._records.in_group(assembly_id):
                if uploads := received(await self.uploads(submission)):
                    yield Assembly(submission, uploads)

    async def find_completed(self, uploads: Sequence[Upload]) -> Assembly | None:
        """Return the owner's completed assembly of the same files and metadata under the same template, or None.

        It is found only if the MD5 of every file is declared.
        """
        md5s = [upload.declared_md5 for upload in uploads if upload.declared_md5]
        if len(md5s) < len(uploads):
            return None
        wanted = _identity(uploads)
        for submission in await self._records.in_group(assembly_id(md5s, uploads[0].template, uploads[0].owner)):
            found = await self.uploads(submission)
            if found and all_completed(found) and _identity(found) == wanted:
                return Assembly(submission, found)
        return None

    async def reschedule(self, upload: Upload) -> None:
        """Make the records of the upload and its submission due soon, because the upload is about to change."""
        if self._event_cursors:
            event_due_at = unix_time() + _EVENT_SECONDS
            with suppress(NotFound):
                await self._event_cursors.update(
                    EventCursor.key_for(upload), lambda found: replace(found, due_at=event_due_at)
                )
        if upload.submission is None:
            return
        due_at = unix_time() + CHECK_SECONDS
        for records in (self._records, self._cursors):
            if records:
                with suppress(NotFound):
                    await records.update(upload.submission, lambda record: replace(record, due_at=due_at))

    def _event_records(self, uploads: Sequence[Upload]) -> list[RecordWrite]:
        if self._event_cursors is None:
            return []
        return [self._event_cursors.as_write(EventCursor.new(upload)) for upload in uploads]

    async def _find(self, upload_id: str) -> Upload | None:
        try:
            return await self._ledger.get(upload_id)
        except NotFound:
            return None

    async def _create(
        self,
        uploads: Sequence[Upload],
        field: str,
        *,
        in_flight: int | None,
        closed: bool,
        others: Sequence[RecordWrite] = (),
    ) -> Submission:
        now = unix_time()
        submission = Submission(
            id=new_submission_id(),
            group="",
            created_at=now,
            due_at=now + CHECK_SECONDS,
            owner=uploads[0].owner,
            files=tuple(SubmittedFile(upload.id, field) for upload in uploads),
            closed=closed,
            secret="" if self._reproducible else secrets.token_hex(16),
        )
        submission = with_id(submission, uploads)
        records = [self._records.as_write(submission), *others]
        if self._cursors:
            records.append(self._cursors.as_write(PublishCursor.new(submission)))
        records += self._event_records(uploads)
        uploads = [replace(upload, submission=submission.id) for upload in uploads]
        await self._ledger.create(uploads, in_flight=in_flight, records=records)
        return submission


def _identity(uploads: Sequence[Upload]) -> tuple[str, str, list[tuple[str, bytes]]]:
    """Return what two submissions of the same files have in common: the owner, the template, and each file's MD5 and
    metadata."""
    files = ((md5_of(upload) or "", orjson.dumps(upload.metadata, option=orjson.OPT_SORT_KEYS)) for upload in uploads)
    return uploads[0].owner, uploads[0].template, sorted(files)
