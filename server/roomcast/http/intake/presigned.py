"""Receive presigned uploads: the client sends the parts of a file to the bucket itself and reports to the server.

They are for hosts whose router limits the length of requests. Nothing that the client reports is relied on: the bucket
says which parts it has, and the server reads the complete object for its type and digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints

from roomcast.errors import Malformed, WrongState
from roomcast.http.intake.json_body import read_json
from roomcast.http.intake.receiver import LeasedIntake, Receiver
from roomcast.http.responses import Links, json_response
from roomcast.http.schema import PresignedProgress, SentPart, UploadEntry
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import PartETag, PresignedParts, PresignedUploads
from roomcast.uploads.lifecycle import Progressed, Stage
from roomcast.uploads.model import Change, Upload, message, source_key
from roomcast.uploads.templates import Templates

_MAX_BODY_BYTES = 1 << 20
"""Room for ten thousand parts, the most that a bucket accepts."""


class CompletedPart(BaseModel):
    """A part that was sent: its number, and the `ETag` of the bucket's response."""

    model_config = ConfigDict(strict=True)

    number: Annotated[int, Field(ge=1, le=10_000)]
    etag: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Completion(BaseModel):
    """The body of `POST /api/uploads/{id}/complete`."""

    model_config = ConfigDict(strict=True)

    parts: Annotated[list[CompletedPart], FailFast(), Field(min_length=1, max_length=10_000)]


class PresignedIntake:
    """Begins presigned uploads, reports their progress and completes them."""

    def __init__(self, ledger: Ledger, store: PresignedUploads, templates: Templates, receiver: Receiver) -> None:
        self._ledger = ledger
        self._store = store
        self._templates = templates
        self._receiver = receiver

    async def begin(
        self, uploads: Sequence[Upload], *, in_flight: int | None = None
    ) -> list[tuple[Upload, PresignedParts]]:
        """Begin uploads that are not in the ledger yet; return each with the parts that its client is to send.

        Every reason to refuse the uploads is checked before anything is created in the bucket. Raises what
        `UploadLog.check_create` raises, and `Malformed` for a file without a size or without a byte.
        """
        await self._ledger.check_create(uploads, in_flight=in_flight)
        sizes = [upload.bytes_expected for upload in uploads]
        if None in sizes:
            raise Malformed("A direct upload needs the file's size.")
        if 0 in sizes:
            raise Malformed("The file is empty.")
        begun: list[tuple[Upload, PresignedParts]] = []
        try:
            for upload in uploads:
                parts = await self._store.begin(source_key(upload), upload.bytes_expected or 0)
                begun.append((replace(upload, direct_token=parts.token), parts))
        except BaseException:
            await self.abort(begun)
            raise
        return begun

    async def abort(self, begun: Sequence[tuple[Upload, PresignedParts]]) -> None:
        """Delete what `begin` has created in the bucket."""
        for upload, parts in begun:
            await self._store.abort(source_key(upload), parts.token)

    async def progress(self, upload: Upload) -> web.Response:
        """Publish how much the bucket has, after the client has sent a part. Return the parts that are there."""
        sent = await self._store.list_parts(source_key(upload), _require_token(upload))
        received = sum(part.size for part in sent)
        if received > upload.bytes_received and upload.bytes_expected:
            fraction = min(1.0, received / upload.bytes_expected)
            change = Change(Progressed(fraction), "Receiving the file", bytes_received=received)
            upload = await self._ledger.append(upload.id, change)
        parts: list[SentPart] = [{"number": part.number, "etag": part.etag, "size": part.size} for part in sent]
        response: PresignedProgress = {"ok": True, "state": message(upload), "parts": parts}
        return json_response(response)

    async def complete(self, request: web.Request, upload: Upload) -> Upload:
        """Join the parts, verify the file and queue the upload. Return its new state."""
        completion = await read_json(request, Completion, "completion", max_bytes=_MAX_BODY_BYTES)
        parts = [PartETag(part.number, part.etag) for part in completion.parts]
        key, token, size = source_key(upload), _require_token(upload), upload.bytes_expected or 0
        await self._store.verify(key, token, parts, size=size)

        async def work(intake: LeasedIntake) -> Upload:
            object_key = await self._store.complete(key, token, parts, size=size)
            template = self._templates.of(intake.upload)
            pipeline = intake.pipeline(template)
            async with aclosing(self._store.read_chunks(object_key)) as chunks:
                await pipeline.run(chunks)
            return await intake.enqueue(object_key, pipeline, pipeline.verify(template), template)

        return await self._receiver.run_leased(upload, work)


def presigned_entry(upload: Upload, parts: PresignedParts, links: Links) -> UploadEntry:
    """Return the entry of a presigned upload in the response to a reservation."""
    return {
        "uploadId": upload.id,
        "filename": upload.filename,
        "partSize": parts.part_size,
        "partUrls": parts.urls,
        "progressUrl": links.progress(upload.id),
        "completeUrl": links.complete(upload.id),
    }


def _require_token(upload: Upload) -> str:
    if upload.direct_token is None or upload.stage is not Stage.RECEIVING:
        raise WrongState("The upload accepts no parts.")
    return upload.direct_token
