"""The routes of uploads that exist: list, get, cancel, delete and retry."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from roomcast.errors import Malformed, SourceGone, TimedOut, WrongState
from roomcast.http.operations import (
    OWNERSHIP_ERRORS,
    Operation,
    Parameter,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import ActionResult, UploadPage
from roomcast.ledger.contract import Ledger
from roomcast.services.authentication import Authenticator
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload

MAX_PAGE_SIZE = 200
_PAGE_SIZE = 50
_LIMIT = r"[0-9]{1,9}"
"""Longer numbers are refused by their length, before they are converted."""

PAGE_PARAMETERS = (
    Parameter("status", Status | Literal[""], "Only uploads with this status."),
    Parameter("limit", Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)], f"The size of the page; {_PAGE_SIZE} if absent."),
    Parameter("cursor", str, "The `cursor` of the page before this one."),
)
TEMPLATE_PARAMETER = Parameter("type", str, "The template, if the form does not name it.")


class UploadRoutes(RouteGroup):
    """The routes of `/api/uploads` that receive no bytes."""

    def __init__(
        self,
        ledger: Ledger,
        uploads: UploadService,
        authenticator: Authenticator,
    ) -> None:
        self._ledger = ledger
        self._uploads = uploads
        self._authenticator = authenticator

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
        messages = [self._uploads.message(upload) for upload in found.uploads if is_listed(upload)]
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
        "Delete an upload",
        (
            json_body(
                ActionResult, "The upload is deleted; if it was unfinished, it is cancelled. Its `stage` says which."
            ),
        ),
        description="Deletes the results, the source and the state of an upload that has ended. An unfinished "
        "upload is cancelled instead; its state stays until it is deleted, too.",
        errors=(*OWNERSHIP_ERRORS, WrongState, TimedOut),
    )
    async def _delete(self, request: web.Request) -> web.Response:
        return self._result(await self._uploads.delete(request[VIEWER], request.match_info["id"]))

    @Operation(
        "POST",
        "/api/uploads/{id}/cancel",
        Tag.UPLOADS,
        "Cancel an upload",
        (json_body(ActionResult, "The work has stopped, and its files are deleted."),),
        description="Cancelling a cancelled upload changes nothing.",
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
        description="For an upload that was cancelled, or failed with an error that is `retryable`. Others than the "
        "owner have no file to send again, and get `SOURCE_GONE` where that is needed.",
        errors=(*OWNERSHIP_ERRORS, WrongState, SourceGone),
    )
    async def _retry(self, request: web.Request) -> web.Response:
        return self._result(await self._uploads.retry(request[VIEWER], request.match_info["id"]))

    def _result(self, upload: Upload) -> web.Response:
        result: ActionResult = {"ok": True, "state": self._uploads.message(upload)}
        return json_response(result)


def is_listed(upload: Upload) -> bool:
    """Return whether lists show an upload: not one that only receives bytes for another, and not a deleted one."""
    return not upload.is_partial and upload.stage is not Stage.DELETED


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
    limit = int(value) if re.fullmatch(_LIMIT, value) else 0
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise Malformed(f"The limit must be a number from 1 to {MAX_PAGE_SIZE}.")
    return limit
