"""Submissions on their way to being assemblies: recorded before their uploads exist, bound as soon as can be.

What a crash leaves unbound, `roomcast.assemblies.finalizer` finds and binds.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from roomcast.assemblies.model import (
    Submission,
    SubmittedFile,
    all_completed,
    assembly_id,
    new_submission_id,
    received,
    with_id,
)
from roomcast.assemblies.records import PublishCursor
from roomcast.assemblies.store import RecordStore
from roomcast.errors import NotFound, RoomcastError
from roomcast.ledger.contract import Ledger
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 3.0
"""How soon a submission is looked at that nobody spoke of."""

FIELD = "file"
"""The field of files that came in no form."""

_ASSEMBLY_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Assembly:
    """A submission that is bound, and the uploads that make it up."""

    submission: Submission
    uploads: list[Upload]


class AssemblyService:
    """What intake, dialects and rooms ask about submissions. `reproducible`: whether an assembly is found by who knows
    its files; in open mode off loopback, a file's MD5 must not be the right to an upload. `cursors` is there when
    progress goes to a queue as well."""

    def __init__(
        self,
        records: RecordStore[Submission],
        ledger: Ledger,
        *,
        reproducible: bool,
        cursors: RecordStore[PublishCursor] | None = None,
    ) -> None:
        self._records = records
        self._cursors = cursors
        self._ledger = ledger
        self._reproducible = reproducible

    async def create(self, uploads: Sequence[Upload], *, in_flight: int | None = None) -> Submission:
        """Record a submission of just these files, and then its uploads; see `Ledger.create` for how that fails."""
        submission = self._new(uploads, FIELD, closed=True)
        await self._create(submission, uploads, in_flight)
        return submission

    async def add_file(self, upload: Upload, field: str, form: str | None, *, in_flight: int | None = None) -> str:
        """Record an upload of the form whose submission's id is `form`, or of a new one (None); that id."""
        if form is None:
            submission = self._new([upload], field, closed=False)
            await self._create(submission, [upload], in_flight)
            return submission.id
        file = SubmittedFile(upload.id, field)
        await self._records.update(
            form, lambda submission: replace(submission, files=(*submission.files, file), closed=False)
        )
        await self._ledger.create([replace(upload, submission=form)], in_flight=in_flight)
        return form

    async def seal(self, form: str | None) -> str | None:
        """No more files come; the assembly's id, as far as it is known."""
        if form is None:
            return None
        try:
            await self._records.update(form, lambda submission: replace(submission, closed=True))
        except RoomcastError:
            log.warning("form not closed", submission=form, exc_info=True)
            return None
        return await self.resolve_id(form)

    async def resolve_id(self, submission_id: str | None) -> str | None:
        """The assembly's id as far as it is known. Never fails: what cannot be bound now is bound later."""
        if submission_id is None:
            return None
        try:
            submission = await self._records.get(submission_id)
            uploads = await self.uploads(submission)
            after = with_id(submission, uploads)
            if after != submission:
                after = await self._records.update(submission_id, lambda submission: with_id(submission, uploads))
        except RoomcastError:
            log.warning("submission not bound", submission=submission_id, exc_info=True)
            return None
        return after.assembly_id

    async def uploads(self, submission: Submission) -> list[Upload]:
        """Those of its uploads that the ledger knows, in its order.

        A submission is recorded before its uploads: an id that its client chose may turn out to be another's.
        """
        found = await asyncio.gather(*(self._find(file.upload_id) for file in submission.files))
        return [upload for upload in found if upload and upload.submission == submission.id]

    async def submission_of(self, upload: Upload) -> Submission | None:
        """The submission that an upload came in, if it is known."""
        try:
            return await self._records.get(upload.submission) if upload.submission else None
        except NotFound:
            return None

    async def get(self, viewer: Viewer, wanted: str) -> Assembly:
        """The assembly; `NotFound`, or `Forbidden` for another's."""
        if not _ASSEMBLY_ID.fullmatch(wanted):
            raise NotFound("There is no such assembly.")
        for submission in await self._records.in_group(wanted):
            if uploads := received(await self.uploads(submission)):
                viewer.check_owns(uploads[0])
                return Assembly(submission, uploads)
        raise NotFound("There is no such assembly.")

    async def find_completed(self, uploads: Sequence[Upload]) -> Assembly | None:
        """The owner's finished assembly of the same files under the same template, if every file's MD5 is declared."""
        md5s = [upload.declared_md5 for upload in uploads if upload.declared_md5]
        if len(md5s) < len(uploads):
            return None
        wanted = assembly_id(md5s, uploads[0].template, uploads[0].owner)
        for submission in await self._records.in_group(wanted):
            found = await self.uploads(submission)
            if len(found) == len(md5s) and all_completed(found):
                return Assembly(submission, found)
        return None

    async def reschedule(self, upload: Upload) -> None:
        """The upload is about to start over: whoever looks after its submission will want to know how that ends."""
        if upload.submission is None:
            return
        due_at = time.time() + LOOK_AGAIN_SECONDS
        for records in (self._records, self._cursors):
            if records:
                with suppress(NotFound):
                    await records.update(upload.submission, lambda record: replace(record, due_at=due_at))

    async def _find(self, upload_id: str) -> Upload | None:
        try:
            return await self._ledger.get(upload_id)
        except NotFound:
            return None

    def _new(self, uploads: Sequence[Upload], field: str, *, closed: bool) -> Submission:
        now = time.time()
        submission = Submission(
            id=new_submission_id(),
            group="",
            created_at=now,
            due_at=now + LOOK_AGAIN_SECONDS,
            owner=uploads[0].owner,
            files=tuple(SubmittedFile(upload.id, field) for upload in uploads),
            closed=closed,
            secret="" if self._reproducible else secrets.token_hex(16),
        )
        return with_id(submission, uploads)

    async def _create(self, submission: Submission, uploads: Sequence[Upload], in_flight: int | None) -> None:
        await self._records.add(submission)
        if self._cursors:
            await self._cursors.add(PublishCursor.new(submission))
        try:
            await self._ledger.create(
                [replace(upload, submission=submission.id) for upload in uploads], in_flight=in_flight
            )
        except RoomcastError:
            await self._records.delete(submission.id)
            raise
