"""Serve `/api/tus/`, tus 1.0.0. A tus upload has the id of the upload, so its room exists before its first byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from aiohttp import hdrs, web

from roomcast.assemblies.service import AssemblyService
from roomcast.dialects.errors import ErrorResponse
from roomcast.errors import Forbidden, InvalidMetadata, Malformed, RoomcastError, TimedOut, TooLarge, UnreadableMedia
from roomcast.http import errors
from roomcast.http.intake.pipeline import check_size, max_bytes
from roomcast.http.intake.raw_body import raw_body
from roomcast.http.intake.receiver import Receiver
from roomcast.http.intake.records import NewUploads
from roomcast.http.intake.resumable import Chunk, ResumableIntake
from roomcast.http.operations import JSON, Operation, Parameter, ResponseSpec, RouteGroup, Tag
from roomcast.http.responses import TUS_PATH, VIEWER, Links
from roomcast.http.tus import parameters
from roomcast.http.tus import protocol as tus_protocol
from roomcast.http.tus.checksum import verified
from roomcast.ledger.contract import Ledger
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import TusState, Upload
from roomcast.uploads.templates import Templates
from roomcast.uploads.viewer import Viewer

_Method = Callable[["TusRoutes", web.Request], Awaitable[web.Response]]

_ONE = f"{TUS_PATH}/{{id}}"


def _in_protocol(handler: _Method) -> _Method:
    """Return the handler with the protocol's version check and the protocol's statuses of errors."""

    async def handle(self: TusRoutes, request: web.Request) -> web.Response:
        try:
            tus_protocol.check_version(request.headers)
            return await handler(self, request)
        except RoomcastError as error:
            response = errors.refuse(request, error)
            if status := tus_protocol.STATUS_OVERRIDES.get(type(error)):
                response.set_status(*status)
                response.headers["Tus-Version"] = tus_protocol.VERSION
            return response

    return handle


class TusRoutes(RouteGroup):
    """The handlers of the protocol's requests.

    An upload expires `expires_after` seconds after its last change. Chunks that have a checksum are stored in `folder`
    until it is verified.
    """

    def __init__(
        self,
        ledger: Ledger,
        assemblies: AssemblyService,
        uploads: UploadService,
        templates: Templates,
        new_uploads: NewUploads,
        receiver: Receiver,
        resumable: ResumableIntake,
        links: Links,
        *,
        expires_after: float,
        folder: Path,
    ) -> None:
        self._ledger = ledger
        self._assemblies = assemblies
        self._uploads = uploads
        self._templates = templates
        self._new_uploads = new_uploads
        self._receiver = receiver
        self._resumable = resumable
        self._links = links
        self._settings = receiver.settings
        self._expires_after = expires_after
        self._folder = folder
        self._methods = {hdrs.METH_HEAD: self._head, hdrs.METH_PATCH: self._patch, hdrs.METH_DELETE: self._delete}

    def add_routes(self, app: web.Application) -> None:
        """Register the routes, and name the protocol in every response."""
        super().add_routes(app)
        app.on_response_prepare.append(_add_version)

    @Operation(
        "OPTIONS",
        TUS_PATH,
        Tag.RESUMABLE,
        "Get the supported extensions",
        (parameters.CAPABILITIES,),
        aliases=(f"{TUS_PATH}/",),
    )
    @Operation(
        "OPTIONS",
        _ONE,
        Tag.RESUMABLE,
        "Get the supported extensions",
        (parameters.CAPABILITIES,),
        parameters=(parameters.ANY_ID,),
    )
    async def _options(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers=tus_protocol.server_headers(self._settings.max_upload_bytes))

    @Operation(
        "POST",
        TUS_PATH,
        Tag.RESUMABLE,
        "Create an upload",
        (parameters.CREATED,),
        aliases=(f"{TUS_PATH}/",),
        description="tus 1.0.0, with or without the first chunk. Send `Upload-Length`, `Upload-Defer-Length`, or in "
        "`Upload-Concat` the URLs of partial uploads that are complete.",
        parameters=(
            parameters.VERSION_HEADER,
            parameters.LENGTH,
            parameters.DEFER_LENGTH,
            parameters.METADATA,
            parameters.CONCAT,
            parameters.CHECKSUM,
        ),
        body=parameters.CHUNK_BODY,
        body_optional=True,
        errors=(*parameters.CHUNK_ERRORS, InvalidMetadata),
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _post(self, request: web.Request) -> web.Response:
        """Create an upload: 201. The body, if there is one, is its first chunk."""
        creation = tus_protocol.creation(request.headers)
        template = self._templates.get(creation.template)
        if request.can_read_body and not creation.concat:
            tus_protocol.check_chunk_type(request.content_type)
        partials = [await self._load(request, partial_id) for partial_id in creation.concat]
        size = await self._resumable.concatenated_size(partials) if partials else creation.length
        upload = await self._new_uploads.make(
            request[VIEWER],
            template,
            creation.filename,
            "tus",
            size=size,
            metadata=creation.application_metadata,
            resumable=TusState(creation.metadata, partial=creation.partial, concat=creation.concat),
        )
        await self._create(upload, size, request[VIEWER])
        if partials:
            upload = await self._resumable.concatenate(upload, partials)
            await self._assemblies.resolve_id(upload.submission)
        elif request.can_read_body:
            upload = await self._append(request, upload, offset=0)
        return self._created(upload)

    async def _create(self, upload: Upload, length: int | None, viewer: Viewer) -> None:
        self._check_declared_size(upload, length)
        await self._receiver.check_space(length or 0)
        quota = self._receiver.quota
        async with quota.admit(viewer.client, [upload]):
            if upload.is_partial:
                await self._ledger.create([upload], in_flight=quota.in_flight)
            else:
                await self._assemblies.create([upload], in_flight=quota.in_flight)

    def _check_declared_size(self, upload: Upload, length: int | None) -> None:
        if length == 0 and not upload.is_partial:
            raise UnreadableMedia("The file is empty.")
        check_size(length or 0, self._templates.of(upload), self._settings)

    def _created(self, upload: Upload) -> web.Response:
        headers = {hdrs.LOCATION: self._links.tus(upload.id), **self._offset_headers(upload, upload.bytes_received)}
        return web.Response(status=201, headers=headers)

    @Operation(
        "HEAD",
        _ONE,
        Tag.RESUMABLE,
        "Get the offset",
        (
            ResponseSpec(
                200,
                "The offset to continue from. A request that still sends is ended, so that the offset stays valid.",
                headers=(*parameters.OFFSET_HEADERS, parameters.LENGTH, parameters.METADATA),
            ),
        ),
        parameters=(parameters.VERSION_HEADER,),
        errors=parameters.CHUNK_ERRORS,
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _head(self, request: web.Request) -> web.Response:
        """Return the offset. A request that is still appending is stopped, so that the offset stays true."""
        upload = await self._load(request, request.match_info["id"])
        upload, received = await self._resumable.offset(upload)
        headers = {
            "Cache-Control": "no-store",
            **tus_protocol.upload_headers(upload, self._links.tus),
            **self._offset_headers(upload, received),
        }
        return web.Response(headers=headers)

    @Operation(
        "PATCH",
        _ONE,
        Tag.RESUMABLE,
        "Send a chunk",
        (ResponseSpec(204, "The chunk is stored durably.", headers=parameters.OFFSET_HEADERS),),
        parameters=(parameters.VERSION_HEADER, parameters.CHUNK_OFFSET, parameters.LENGTH, parameters.CHECKSUM),
        body=parameters.CHUNK_BODY,
        errors=parameters.CHUNK_ERRORS,
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _patch(self, request: web.Request) -> web.Response:
        """Append a chunk: 204 when its bytes are durable."""
        upload = await self._load(request, request.match_info["id"])
        tus_protocol.check_chunk_type(request.content_type)
        if upload.resumable and upload.resumable.concat:
            raise Forbidden("A final upload accepts no chunks.")
        upload = await self._append(request, upload, offset=tus_protocol.offset(request.headers))
        return web.Response(status=204, headers=self._offset_headers(upload, upload.bytes_received))

    async def _append(self, request: web.Request, upload: Upload, *, offset: int) -> Upload:
        length = tus_protocol.length(request.headers)
        if length is not None:
            if upload.bytes_expected not in (None, length):
                raise Malformed(f"The file was declared to have {upload.bytes_expected} bytes, not {length}.")
            if length < offset:
                raise Malformed(f"More than {length} bytes of the file are stored already.")
            self._check_declared_size(upload, length)
        left = self._bytes_left(upload, length, offset)
        if (request.content_length or 0) > left:
            raise TooLarge(f"The chunk has more than the {left} bytes that are left.")
        await self._receiver.check_space(request.content_length or 0)
        checksum = tus_protocol.checksum(request.headers)
        async with raw_body(request) as chunks:
            chunk = Chunk(
                offset=offset,
                length=length,
                body=self._receiver.body(chunks, request[VIEWER]),
                verified=partial(verified, checksum=checksum, max_bytes=left, folder=self._folder),
            )
            upload = await self._resumable.append(upload, chunk)
        if upload.stage is Stage.QUEUED:
            await self._assemblies.resolve_id(upload.submission)
        return upload

    def _bytes_left(self, upload: Upload, length: int | None, offset: int) -> int:
        """Return how many bytes the file may have after `offset`."""
        size = upload.bytes_expected if length is None else length
        if size is None:
            size = max_bytes(self._templates.of(upload), self._settings)
        return max(0, size - offset)

    @Operation(
        "DELETE",
        _ONE,
        Tag.RESUMABLE,
        "Cancel an upload",
        (
            ResponseSpec(
                204, "The upload is cancelled, and its bytes are deleted.", headers=(parameters.SERVER_VERSION,)
            ),
        ),
        parameters=(parameters.VERSION_HEADER,),
        errors=(*parameters.CHUNK_ERRORS, TimedOut),
        statuses=parameters.STATUSES,
    )
    @_in_protocol
    async def _delete(self, request: web.Request) -> web.Response:
        """Cancel the upload and delete its bytes: 204."""
        upload = await self._load(request, request.match_info["id"])
        await self._uploads.cancel(request[VIEWER], upload.id)
        return web.Response(status=204)

    @Operation(
        "POST",
        _ONE,
        Tag.RESUMABLE,
        "Use another method by POST",
        (
            ResponseSpec(200, "As for HEAD.", headers=parameters.OFFSET_HEADERS),
            ResponseSpec(204, "As for PATCH and DELETE.", headers=parameters.OFFSET_HEADERS),
            ResponseSpec(
                405,
                "There is no such method.",
                {JSON: ErrorResponse},
                (Parameter("Allow", str, "The methods that there are.", "header", required=True),),
            ),
        ),
        description="For clients in networks that block PATCH or DELETE.",
        parameters=(
            parameters.VERSION_HEADER,
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
    async def _post_override(self, request: web.Request) -> web.Response:
        """Handle a POST as the method in `X-HTTP-Method-Override`."""
        handler = self._methods.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if handler is None:
            raise web.HTTPMethodNotAllowed(request.method, self._methods)
        return await handler(request)

    async def _load(self, request: web.Request, upload_id: str) -> Upload:
        upload = await self._uploads.get(request[VIEWER], upload_id)
        tus_protocol.require_writable(upload)
        return upload

    def _offset_headers(self, upload: Upload, received: int) -> dict[str, str]:
        return tus_protocol.offset_headers(upload, received, expires_after=self._expires_after)


async def _add_version(request: web.Request, response: web.StreamResponse) -> None:
    """Name the protocol's version in every response on its paths, those of the middlewares included."""
    if request.path.startswith(TUS_PATH):
        response.headers["Tus-Resumable"] = tus_protocol.VERSION
