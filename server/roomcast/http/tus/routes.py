"""`/api/tus/`: tus 1.0.0. The id of a tus upload is the upload's id, so its room is there before its first byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from roomcast.assemblies.service import AssemblyService
from roomcast.dialects.errors import ErrorResponse
from roomcast.errors import Forbidden, Malformed, RoomcastError, TimedOut, TooLarge, UnreadableMedia
from roomcast.http import errors
from roomcast.http.intake.forms import new_upload
from roomcast.http.intake.receiver import Receiver
from roomcast.http.intake.resumable import Chunk, Resuming
from roomcast.http.operations import JSON, Parameter, ResponseSpec, RouteGroup, Tag, operation
from roomcast.http.responses import VIEWER, Links
from roomcast.http.tus import parameters
from roomcast.http.tus import protocol as tus_protocol
from roomcast.http.tus.checksum import checked
from roomcast.ledger.contract import Ledger
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import TusState, Upload
from roomcast.uploads.templates import Templates

_Method = Callable[["TusRoutes", web.Request], Awaitable[web.Response]]

_ONE = f"{tus_protocol.TUS}/{{id}}"


def _in_protocol(handler: _Method) -> _Method:
    """Return the handler for clients of the protocol: it checks their version, and errors get the protocol's status."""

    async def answer(self: TusRoutes, request: web.Request) -> web.Response:
        try:
            tus_protocol.check_version(request.headers)
            return await handler(self, request)
        except RoomcastError as error:
            refusal = errors.refuse(request, error)
            if own := tus_protocol.OWN_STATUS.get(type(error)):
                refusal.set_status(*own)
                refusal.headers["Tus-Version"] = tus_protocol.VERSION
            return refusal

    return answer


class TusRoutes(RouteGroup):
    """The handlers of the protocol's requests. `patience_seconds` is how long an upload waits for its next piece;
    `folder` is where pieces wait until they are checked."""

    def __init__(
        self,
        ledger: Ledger,
        submissions: AssemblyService,
        control: UploadService,
        templates: Templates,
        receiver: Receiver,
        resuming: Resuming,
        links: Links,
        *,
        max_in_flight: int,
        max_upload_bytes: int,
        patience_seconds: float,
        folder: Path,
    ) -> None:
        self._ledger = ledger
        self._submissions = submissions
        self._control = control
        self._templates = templates
        self._receiver = receiver
        self._resuming = resuming
        self._links = links
        self._max_in_flight = max_in_flight
        self._max_upload_bytes = max_upload_bytes
        self._patience_seconds = patience_seconds
        self._folder = folder
        self._methods = {hdrs.METH_HEAD: self._head, hdrs.METH_PATCH: self._patch, hdrs.METH_DELETE: self._delete}

    def add_routes(self, app: web.Application) -> None:
        """Register the routes, and name the protocol in every response."""
        super().add_routes(app)
        app.on_response_prepare.append(_add_version)

    @operation(
        "OPTIONS",
        tus_protocol.TUS,
        Tag.RESUMABLE,
        "Get the supported extensions",
        parameters.CAPABILITIES,
        aliases=(f"{tus_protocol.TUS}/",),
    )
    @operation(
        "OPTIONS",
        _ONE,
        Tag.RESUMABLE,
        "Get the supported extensions",
        parameters.CAPABILITIES,
        parameters=(parameters.ANY_ID,),
    )
    async def _options(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers=tus_protocol.capabilities(self._max_upload_bytes))

    @operation(
        "POST",
        tus_protocol.TUS,
        Tag.RESUMABLE,
        "Create an upload",
        parameters.CREATED,
        aliases=(f"{tus_protocol.TUS}/",),
        description="tus 1.0.0, with or without the first chunk. Send `Upload-Length`, `Upload-Defer-Length`, or in "
        "`Upload-Concat` the URLs of partial uploads that are complete.",
        parameters=(
            parameters.VERSION,
            parameters.LENGTH,
            parameters.DEFER_LENGTH,
            parameters.METADATA,
            parameters.CONCAT,
            parameters.CHECKSUM,
        ),
        body=parameters.CHUNK_BODY,
        body_optional=True,
        errors=parameters.CHUNK_ERRORS,
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _post(self, request: web.Request) -> web.Response:
        """201: an upload to send pieces to, with the first one taken if it came along."""
        wanted = tus_protocol.creation(request.headers)
        template = self._templates.get(wanted.template)
        upload = new_upload(request[VIEWER], template, wanted.filename, wanted.length, None)
        if wanted.concat:
            return await self._join(request, wanted, upload)
        if request.can_read_body:
            tus_protocol.check_piece_type(request.content_type)
        upload = replace(upload, resumable=TusState(wanted.metadata, partial=wanted.partial))
        await self._create(upload, wanted.length)
        if request.can_read_body:
            upload = await self._take(request, upload, offset=0)
        return self._created(upload)

    async def _join(self, request: web.Request, wanted: tus_protocol.Creation, upload: Upload) -> web.Response:
        """201: the parts are one file now, and it is queued."""
        ids = [urlsplit(url).path.rpartition("/")[2] for url in wanted.concat]
        parts = [await self._look(request, part_id) for part_id in ids]
        size = await self._resuming.joined_size(parts)
        resumable = TusState(wanted.metadata, concat=tuple(ids))
        upload = replace(upload, bytes_expected=size, resumable=resumable)
        await self._create(upload, size)
        queued = await self._resuming.join(upload, parts)
        await self._submissions.resolve_id(queued.submission)
        return self._created(queued)

    async def _create(self, upload: Upload, length: int | None) -> None:
        self._check_length(upload, length)
        await self._receiver.check_room(length or 0)
        if upload.is_partial:
            await self._ledger.create([upload], in_flight=self._max_in_flight)
        else:
            await self._submissions.create([upload], in_flight=self._max_in_flight)

    def _check_length(self, upload: Upload, length: int | None) -> None:
        if length == 0 and not upload.is_partial:
            raise UnreadableMedia("The file is empty.")
        self._receiver.check_length(length or 0, self._templates.get(upload.template))

    def _created(self, upload: Upload) -> web.Response:
        headers = {hdrs.LOCATION: self._links.tus(upload.id), **self._standing(upload, upload.bytes_received)}
        return web.Response(status=201, headers=headers)

    @operation(
        "HEAD",
        _ONE,
        Tag.RESUMABLE,
        "Get the offset",
        ResponseSpec(
            200,
            "The offset to continue from. A request that still sends to this upload is ended, so that it stays valid.",
            headers=(*parameters.OFFSET_HEADERS, parameters.LENGTH, parameters.METADATA),
        ),
        parameters=(parameters.VERSION,),
        errors=parameters.CHUNK_ERRORS,
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _head(self, request: web.Request) -> web.Response:
        """Where the upload stands. Whoever is still adding to it is stopped, so that the answer stays true."""
        upload = await self._look(request, request.match_info["id"])
        upload, received = await self._resuming.where(upload)
        description = tus_protocol.description(upload, self._links.tus)
        headers = {"Cache-Control": "no-store", **description, **self._standing(upload, received)}
        return web.Response(headers=headers)

    @operation(
        "PATCH",
        _ONE,
        Tag.RESUMABLE,
        "Send a chunk",
        ResponseSpec(204, "The chunk is stored durably.", headers=parameters.OFFSET_HEADERS),
        parameters=(parameters.VERSION, parameters.CHUNK_OFFSET, parameters.LENGTH, parameters.CHECKSUM),
        body=parameters.CHUNK_BODY,
        errors=parameters.CHUNK_ERRORS,
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _patch(self, request: web.Request) -> web.Response:
        """204: the piece is here, and durable."""
        upload = await self._look(request, request.match_info["id"])
        tus_protocol.check_piece_type(request.content_type)
        if upload.resumable and upload.resumable.concat:
            raise Forbidden("A final upload takes no pieces.")
        upload = await self._take(request, upload, offset=tus_protocol.offset(request.headers))
        return web.Response(status=204, headers=self._standing(upload, upload.bytes_received))

    async def _take(self, request: web.Request, upload: Upload, *, offset: int) -> Upload:
        length = tus_protocol.length(request.headers)
        if length is not None:
            if upload.bytes_expected not in (None, length):
                raise Malformed(f"The file was declared to have {upload.bytes_expected} bytes, not {length}.")
            if length < offset:
                raise Malformed(f"The file has more than {length} bytes already.")
            self._check_length(upload, length)
        left = self._left(upload, length, offset)
        if (request.content_length or 0) > left:
            raise TooLarge(f"More bytes are sent than the {left} that are left.")
        await self._receiver.check_room(request.content_length or 0)
        checksum = tus_protocol.checksum(request.headers)
        piece = Chunk(
            offset=offset,
            length=length,
            chunks=self._receiver.timed(request.content.iter_any()),
            checked=partial(checked, checksum=checksum, most=left, folder=self._folder),
        )
        upload = await self._resuming.take(upload, piece)
        if upload.stage is Stage.QUEUED:
            await self._submissions.resolve_id(upload.submission)
        return upload

    def _left(self, upload: Upload, length: int | None, offset: int) -> int:
        """How many bytes may still come."""
        whole = upload.bytes_expected if length is None else length
        if whole is None:
            whole = self._receiver.largest(self._templates.get(upload.template))
        return max(0, whole - offset)

    @operation(
        "DELETE",
        _ONE,
        Tag.RESUMABLE,
        "Cancel an upload",
        ResponseSpec(204, "The upload is cancelled, and its bytes are deleted.", headers=(parameters.SERVER_VERSION,)),
        parameters=(parameters.VERSION,),
        errors=(*parameters.CHUNK_ERRORS, TimedOut),
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _delete(self, request: web.Request) -> web.Response:
        """204: the upload is cancelled, and its bytes are gone."""
        upload = await self._look(request, request.match_info["id"])
        await self._control.cancel(request[VIEWER], upload.id)
        return web.Response(status=204)

    @operation(
        "POST",
        _ONE,
        Tag.RESUMABLE,
        "Use another method by POST",
        ResponseSpec(200, "As for HEAD.", headers=parameters.OFFSET_HEADERS),
        ResponseSpec(204, "As for PATCH and DELETE.", headers=parameters.OFFSET_HEADERS),
        ResponseSpec(
            405,
            "There is no such method.",
            {JSON: ErrorResponse},
            (Parameter("Allow", str, "The methods that there are.", "header", required=True),),
        ),
        description="For clients in networks that block PATCH or DELETE.",
        parameters=(
            parameters.VERSION,
            parameters.METHOD_OVERRIDE,
            parameters.OPTIONAL_OFFSET,
            parameters.LENGTH,
            parameters.CHECKSUM,
        ),
        body=parameters.CHUNK_BODY,
        body_optional=True,
        errors=(*parameters.CHUNK_ERRORS, TimedOut),
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _overridden(self, request: web.Request) -> web.Response:
        """For clients whose network knows no PATCH or DELETE."""
        handler = self._methods.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if handler is None:
            raise web.HTTPMethodNotAllowed(request.method, self._methods)
        return await handler(request)

    async def _look(self, request: web.Request, upload_id: str) -> Upload:
        upload = await self._control.get(request[VIEWER], upload_id)
        tus_protocol.check_takes_pieces(upload)
        return upload

    def _standing(self, upload: Upload, received: int) -> dict[str, str]:
        return tus_protocol.standing(upload, received, patience_seconds=self._patience_seconds)


async def _add_version(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(tus_protocol.TUS):
        response.headers["Tus-Resumable"] = tus_protocol.VERSION
