"""Direct uploads: the client sends the bytes to the bucket itself, in parts, and tells us how far it is.

For hosts whose router forbids long requests. What the client says is never believed: how much has arrived, the bucket
is asked; what it is, the bytes say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from roomcast.errors import Malformed, WrongState
from roomcast.http.intake.receiver import Receiver
from roomcast.http.responses import Links, json_response
from roomcast.http.schema import PresignedProgress, SentPart, UploadEntry
from roomcast.ledger.contract import Claim, Ledger
from roomcast.media.contract import PartETag, PresignedParts, PresignedUploads
from roomcast.uploads.lifecycle import Progressed, Stage
from roomcast.uploads.model import Change, Upload, message, source_key
from roomcast.uploads.sniff import SNIFF_BYTES, sniff
from roomcast.uploads.templates import Templates, check_kind


class CompletedPart(BaseModel):
    """A part that was sent: its number, and the `ETag` of the bucket's answer."""

    model_config = ConfigDict(strict=True)

    number: Annotated[int, Field(ge=1, le=10_000)]
    etag: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Completion(BaseModel):
    """The body of `POST /api/uploads/{id}/complete`."""

    model_config = ConfigDict(strict=True)

    parts: Annotated[list[CompletedPart], Field(min_length=1, max_length=10_000)]


class DirectIntake:
    """Begins direct uploads for reservations, and handles the calls that follow."""

    def __init__(self, ledger: Ledger, direct: PresignedUploads, templates: Templates, receiver: Receiver) -> None:
        self._ledger = ledger
        self._direct = direct
        self._templates = templates
        self._receiver = receiver

    async def begin(self, uploads: Sequence[Upload]) -> list[tuple[Upload, PresignedParts]]:
        """The uploads, each with the parts that its client is to send; none is in the ledger yet."""
        begun: list[tuple[Upload, PresignedParts]] = []
        try:
            for upload in uploads:
                if upload.bytes_expected is None:
                    raise Malformed("A direct upload needs the file's size.")
                parts = await self._direct.begin(source_key(upload), upload.bytes_expected)
                begun.append((replace(upload, direct_token=parts.token), parts))
        except BaseException:
            await self.abort(begun)
            raise
        return begun

    async def abort(self, begun: Sequence[tuple[Upload, PresignedParts]]) -> None:
        for upload, parts in begun:
            await self._direct.abort(source_key(upload), parts.token)

    async def progress(self, upload: Upload) -> web.Response:
        """The client has sent a part: ask the bucket how much is there, and tell the room."""
        sent = await self._direct.list_parts(source_key(upload), _token(upload))
        received = sum(part.size for part in sent)
        if received > upload.bytes_received and upload.bytes_expected:
            fraction = min(1.0, received / upload.bytes_expected)
            change = Change(Progressed(fraction), "Receiving the file", bytes_received=received)
            upload = await self._ledger.append(upload.id, change)
        parts: list[SentPart] = [{"number": part.number, "etag": part.etag, "size": part.size} for part in sent]
        standing: PresignedProgress = {"ok": True, "state": message(upload), "parts": parts}
        return json_response(standing)

    async def complete(self, request: web.Request, upload: Upload) -> Upload:
        """All parts are there: join them, verify size and hash, and queue. The queued upload."""
        try:
            completion = Completion.model_validate_json(await request.read())
        except ValidationError as error:
            raise Malformed("The completion is not of the right form.") from error
        parts = [PartETag(part.number, part.etag) for part in completion.parts]
        size = upload.bytes_expected or 0
        await self._direct.verify(source_key(upload), _token(upload), parts, size=size)
        return await self._receiver.settle(upload, lambda claim: self._take_over(claim, parts))

    async def _take_over(self, claim: Claim, parts: Sequence[PartETag]) -> Upload:
        upload, template = claim.upload, self._templates.get(claim.upload.template)
        size = upload.bytes_expected or 0
        key = await self._direct.complete(source_key(upload), _token(upload), parts, size=size)
        sniffed = check_kind(template, sniff(await self._direct.read_head(key, SNIFF_BYTES)))
        digests = self._receiver.digests(upload)
        async for chunk in self._direct.read_chunks(key):
            await digests.update(chunk)
        digests.check(upload)
        return await self._receiver.accept(claim, template, key, size, sniffed, digests)


def entry(upload: Upload, parts: PresignedParts, links: Links) -> UploadEntry:
    """What the reservation's answer says of a direct upload."""
    return {
        "uploadId": upload.id,
        "filename": upload.filename,
        "partSize": parts.part_size,
        "partUrls": parts.urls,
        "progressUrl": links.progress(upload.id),
        "completeUrl": links.complete(upload.id),
    }


def _token(upload: Upload) -> str:
    if upload.direct_token is None or upload.stage is not Stage.RECEIVING:
        raise WrongState("The upload takes no parts.")
    return upload.direct_token
