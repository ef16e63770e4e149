"""The routes that receive the bytes of uploads: forms, reservations, and presigned uploads to the bucket."""

from __future__ import annotations

from aiohttp import web

from roomcast.assemblies.service import AssemblyService
from roomcast.errors import AddressRefused, IdTaken, InvalidMetadata, Malformed, WrongState
from roomcast.http.intake.forms import FILE_FIELDS, FormIntake
from roomcast.http.intake.presigned import Completion, PresignedIntake
from roomcast.http.intake.records import accepted
from roomcast.http.intake.reservations import Reservation, Reservations
from roomcast.http.operations import (
    FORM,
    INTAKE_ERRORS,
    JSON,
    OWNERSHIP_ERRORS,
    Binary,
    Operation,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER
from roomcast.http.schema import FormOfFiles, PresignedProgress, UploadResponse
from roomcast.http.uploads import TEMPLATE_PARAMETER
from roomcast.services.uploads import UploadService


class IntakeRoutes(RouteGroup):
    """`POST /api/uploads`, and the bytes of its reservations."""

    def __init__(self, uploads: UploadService, forms: FormIntake, reservations: Reservations) -> None:
        self._uploads = uploads
        self._forms = forms
        self._reservations = reservations

    @Operation(
        "POST",
        "/api/uploads",
        Tag.UPLOADS,
        "Send files, or reserve uploads",
        (
            json_body(UploadResponse, "The same files were processed before: here are their results."),
            json_body(UploadResponse, "Reserved. Join the room, then send the bytes to `contentUrl`.", status=201),
            json_body(UploadResponse, "The files are stored and queued.", status=202),
        ),
        description="A form sends the files at once. A reservation, in JSON, returns ids before any byte is sent, so "
        "that a client can join the room first; with `uploadId` the client chooses them itself. The form's fields for "
        f"files are {', '.join(sorted(FILE_FIELDS))}.",
        parameters=(TEMPLATE_PARAMETER,),
        body={JSON: Reservation, FORM: FormOfFiles},
        errors=(*INTAKE_ERRORS, IdTaken, InvalidMetadata, AddressRefused),
    )
    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            return await self._reservations.reserve(request)
        if request.content_type == "multipart/form-data":
            return (await self._forms.receive_form(request)).response()
        raise Malformed("Send multipart/form-data with a file, or a reservation as application/json.")

    @Operation(
        "PUT",
        "/api/uploads/{id}/content",
        Tag.UPLOADS,
        "Send the bytes of a reservation",
        (json_body(UploadResponse, "The file is stored and queued.", status=202),),
        description="The body is the file. Its first bytes decide what type it has.",
        body={"application/octet-stream": Binary},
        errors=(*OWNERSHIP_ERRORS, *INTAKE_ERRORS),
    )
    async def _put_content(self, request: web.Request) -> web.Response:
        upload = await self._uploads.get(request[VIEWER], request.match_info["id"])
        return await self._reservations.receive_content(request, upload)


class PresignedRoutes(RouteGroup):
    """The routes of uploads whose clients send the bytes to the bucket. Served only if there is a bucket."""

    def __init__(self, uploads: UploadService, presigned: PresignedIntake, assemblies: AssemblyService) -> None:
        self._uploads = uploads
        self._presigned = presigned
        self._assemblies = assemblies

    @Operation(
        "POST",
        "/api/uploads/{id}/progress",
        Tag.UPLOADS,
        "Report a part that was sent to the bucket",
        (json_body(PresignedProgress, "What the bucket has received."),),
        description="The server asks the bucket how much it has received, and reports it to the room.",
        errors=(*OWNERSHIP_ERRORS, WrongState),
    )
    async def _progress(self, request: web.Request) -> web.Response:
        return await self._presigned.progress(await self._uploads.get(request[VIEWER], request.match_info["id"]))

    @Operation(
        "POST",
        "/api/uploads/{id}/complete",
        Tag.UPLOADS,
        "Complete an upload that was sent to the bucket",
        (json_body(UploadResponse, "The file is complete and queued.", status=202),),
        description="The bucket joins the parts, and the server verifies size, type and hash.",
        body={JSON: Completion},
        errors=(*OWNERSHIP_ERRORS, *INTAKE_ERRORS),
    )
    async def _complete(self, request: web.Request) -> web.Response:
        upload = await self._uploads.get(request[VIEWER], request.match_info["id"])
        queued = await self._presigned.complete(request, upload)
        return accepted([queued], await self._assemblies.resolve_id(queued.submission))
