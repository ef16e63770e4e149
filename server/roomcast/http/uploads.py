"""The routes of uploads: create, list, get, cancel, retry, and the bytes of a reservation."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from roomcast.assemblies.service import AssemblyService
from roomcast.auth import Authenticator
from roomcast.errors import IdTaken, Malformed, TimedOut, WrongState
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
    Parameter,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import ActionResult, FormOfFiles, PresignedProgress, UploadPage, UploadResponse
from roomcast.ledger.contract import Ledger
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload

MAX_PAGE_SIZE = 200
_PAGE_SIZE = 50

PAGE_PARAMETERS = (
    Parameter("status", Status | Literal[""], "Only uploads with this status."),
    Parameter("limit", Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)], f"The size of the page; {_PAGE_SIZE} if absent."),
    Parameter("cursor", str, "The `cursor` of the page before this one."),
)
TEMPLATE_PARAMETER = Parameter("type", str, "The template, if the form does not name it.")


class UploadRoutes(RouteGroup):
    """`/api/uploads` and the routes below it."""

    def __init__(
        self,
        ledger: Ledger,
        uploads: UploadService,
        forms: FormIntake,
        reservations: Reservations,
        authenticator: Authenticator,
    ) -> None:
        self._ledger = ledger
        self._uploads = uploads
        self._forms = forms
        self._reservations = reservations
        self._authenticator = authenticator

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
        errors=(*INTAKE_ERRORS, IdTaken),
    )
    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            return await self._reservations.reserve(request)
        if request.content_type == "multipart/form-data":
            return (await self._forms.receive_form(request)).response()
        raise Malformed("Send multipart/form-data with a file, or a reservation as application/json.")

    @Operation(
        "GET",
        "/api/uploads",
        Tag.UPLOADS,
        "List your uploads",
        (json_body(UploadPage, "A page of the list, newest first."),),
        description="Without authentication the list is empty unless the server listens on loopback: in open mode "
        "an id is all that is needed to control its upload.",
        parameters=PAGE_PARAMETERS,
        errors=(Malformed,),
    )
    async def _list(self, request: web.Request) -> web.Response:
        status, limit = parse_status(request.query.get("status")), parse_limit(request.query.get("limit"))
        if not self._authenticator.can_list:
            empty: UploadPage = {"uploads": [], "cursor": None}
            return json_response(empty)
        found = await self._ledger.page(
            request[VIEWER].user, status=status, cursor=request.query.get("cursor"), limit=limit
        )
        messages = [self._uploads.message(upload) for upload in found.uploads if not upload.is_partial]
        page: UploadPage = {"uploads": messages, "cursor": found.cursor}
        return json_response(page)

    @Operation(
        "GET",
        "/api/uploads/{id}",
        Tag.UPLOADS,
        "Get an upload",
        (json_body(Message, "The current state."),),
        errors=OWNERSHIP_ERRORS,
    )
    async def _get(self, request: web.Request) -> web.Response:
        return json_response(self._uploads.message(await self._uploads.get(request[VIEWER], request.match_info["id"])))

    @Operation(
        "DELETE",
        "/api/uploads/{id}",
        Tag.UPLOADS,
        "Cancel an upload",
        (json_body(ActionResult, "The work has stopped, and its files are deleted."),),
        errors=(*OWNERSHIP_ERRORS, WrongState, TimedOut),
    )
    async def _cancel(self, request: web.Request) -> web.Response:
        return self._result(await self._uploads.cancel(request[VIEWER], request.match_info["id"]))

    @Operation(
        "POST",
        "/api/uploads/{id}/retry",
        Tag.UPLOADS,
        "Retry an upload",
        (json_body(ActionResult, "The upload starts over. If its `stage` is `receiving`, send the bytes again."),),
        description="For an upload that was cancelled, or failed with an error that is `retryable`.",
        errors=(*OWNERSHIP_ERRORS, WrongState),
    )
    async def _retry(self, request: web.Request) -> web.Response:
        return self._result(await self._uploads.retry(request[VIEWER], request.match_info["id"]))

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

    def _result(self, upload: Upload) -> web.Response:
        result: ActionResult = {"ok": True, "state": self._uploads.message(upload)}
        return json_response(result)


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


def parse_status(value: str | None) -> Status | None:
    """Return the status in a query; None if there is none. Raise `Malformed` if there is no such status."""
    try:
        return Status(value) if value else None
    except ValueError:
        known = ", ".join(Status)
        raise Malformed(f"The status must be one of {known}.") from None


def parse_limit(value: str | None) -> int:
    """Return the page size in a query, or the default. Raise `Malformed` if it is out of range."""
    if value is None:
        return _PAGE_SIZE
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_PAGE_SIZE):
        raise Malformed(f"The limit must be a number from 1 to {MAX_PAGE_SIZE}.")
    return int(value)
