"""Administrators cancel, retry and delete many uploads in one call: those of a filter, or those with given ids."""

# ruff: noqa: N815  (the names are JSON's)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Self

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, model_validator

from roomcast.errors import (
    Forbidden,
    Malformed,
    RoomcastError,
    SourceGone,
    StorageError,
    TooLarge,
    WasDeleted,
    WrongState,
)
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.listing import FilterRequest, Order, as_list_cursor, parse_list_cursor
from roomcast.http.admin.schema import BulkResult, SkippedUpload
from roomcast.http.intake.json_body import read_json
from roomcast.http.operations import JSON, Operation, RouteGroup, Tag, json_body
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.uploads import is_listed
from roomcast.ledger.contract import MAX_EXAMINED, Ledger
from roomcast.services.deletion import is_retryable
from roomcast.services.uploads import UploadService, check_id
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

MAX_IDS = 500
MAX_CHANGES = 200
"""How many uploads of a filter one call changes. The caller continues with the cursor."""

_MAX_SKIPPED = 100
_CHUNK = 250
_CONCURRENT = 8
_MAX_BODY_BYTES = 128 * 1024


class BulkRequest(BaseModel):
    """The uploads that are meant: by a filter or by their ids."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    filter: FilterRequest | None = None
    ids: Annotated[list[Annotated[str, Field(max_length=100)]] | None, Field(max_length=MAX_IDS)] = None
    dryRun: bool = False
    """Only count."""
    cursor: Annotated[str | None, Field(max_length=1000)] = None
    """Continue where the call before this one has ended."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.filter is None) == (self.ids is None):
            raise ValueError("It must have either a filter or ids.")
        if self.cursor and self.filter is None:
            raise ValueError("A cursor is only possible with a filter.")
        return self


@dataclass(frozen=True)
class BulkAction:
    """An action on uploads: why it is not possible for one (None: it is), and what does it."""

    refusal: Callable[[Upload], RoomcastError | None]
    run: Callable[[UploadService, Viewer, str], Awaitable[Upload]]


def _cancel_refusal(upload: Upload) -> RoomcastError | None:
    return WrongState(f"The upload is already {upload.stage}.") if upload.state.terminal else None


def _retry_refusal(upload: Upload) -> RoomcastError | None:
    if upload.state.status is not Status.ERROR:
        return WrongState(f"Only an upload that ended in an error can be retried. This one is {upload.stage}.")
    if not (upload.error and upload.error["retryable"]):
        return WrongState("Another attempt would fail in the same way.")
    return None if is_retryable(upload) else SourceGone()


def _delete_refusal(upload: Upload) -> RoomcastError | None:
    return None if upload.state.terminal else WrongState("The upload has not ended. Cancel it first.")


_CANCEL = BulkAction(_cancel_refusal, lambda uploads, viewer, upload_id: uploads.cancel(viewer, upload_id))
_RETRY = BulkAction(
    _retry_refusal, lambda uploads, viewer, upload_id: uploads.retry(viewer, upload_id, source_required=True)
)
_DELETE = BulkAction(_delete_refusal, lambda uploads, viewer, upload_id: uploads.delete(viewer, upload_id))


@dataclass
class _Outcome:
    """What one call has found and done so far."""

    matched: int = 0
    eligible: int = 0
    changed: int = 0
    skipped: list[SkippedUpload] = field(default_factory=list)
    cursor: str | None = None

    def skip(self, upload_id: str, filename: str, error: RoomcastError) -> None:
        """Record an upload on which the action was not done."""
        self.skipped.append({"uploadId": upload_id, "filename": filename, "code": error.code, "message": error.message})

    def to_json(self, *, dry_run: bool) -> BulkResult:
        """Return the body of the response."""
        return {
            "dryRun": dry_run,
            "matched": self.matched,
            "eligible": self.eligible,
            "changed": self.changed,
            "skippedCount": len(self.skipped),
            "skipped": self.skipped[:_MAX_SKIPPED],
            "cursor": self.cursor,
        }


class BulkRoutes(RouteGroup):
    """`/api/admin/uploads/cancel`, `…/retry` and `…/delete`."""

    def __init__(self, access: AdminAccess, ledger: Ledger, uploads: UploadService) -> None:
        self._access = access
        self._ledger = ledger
        self._uploads = uploads

    @Operation(
        "POST",
        "/api/admin/uploads/cancel",
        Tag.ADMIN,
        "Cancel many uploads",
        (json_body(BulkResult, "What was changed, or with `dryRun` would be changed."),),
        description="Uploads that have ended are skipped.",
        body={JSON: BulkRequest},
        errors=(Forbidden, Malformed, TooLarge),
    )
    async def _cancel(self, request: web.Request) -> web.Response:
        return await self._act(request, "cancel", _CANCEL)

    @Operation(
        "POST",
        "/api/admin/uploads/retry",
        Tag.ADMIN,
        "Retry many uploads",
        (json_body(BulkResult, "What was changed, or with `dryRun` would be changed."),),
        description="Uploads whose source is not stored any more are skipped.",
        body={JSON: BulkRequest},
        errors=(Forbidden, Malformed, TooLarge),
    )
    async def _retry(self, request: web.Request) -> web.Response:
        return await self._act(request, "retry", _RETRY)

    @Operation(
        "POST",
        "/api/admin/uploads/delete",
        Tag.ADMIN,
        "Delete many uploads",
        (json_body(BulkResult, "What was changed, or with `dryRun` would be changed."),),
        description="Uploads that have not ended are skipped.",
        body={JSON: BulkRequest},
        errors=(Forbidden, Malformed, TooLarge),
    )
    async def _delete(self, request: web.Request) -> web.Response:
        return await self._act(request, "delete", _DELETE)

    async def _act(self, request: web.Request, name: str, action: BulkAction) -> web.Response:
        viewer = request[VIEWER]
        self._access.check(request, viewer)
        asked = await read_json(request, BulkRequest, "request", max_bytes=_MAX_BODY_BYTES)
        outcome = _Outcome()
        async for uploads in self._chunks(asked, outcome):
            possible = []
            for upload in uploads:
                if refusal := action.refusal(upload):
                    outcome.skip(upload.id, upload.filename, refusal)
                else:
                    possible.append(upload)
            outcome.matched += len(uploads)
            outcome.eligible += len(possible)
            if not asked.dryRun:
                await self._run(action, viewer, possible, outcome)
        if not asked.dryRun:
            skipped = len(outcome.skipped)
            log.info("admin_bulk_action", action=name, user=viewer.user, changed=outcome.changed, skipped=skipped)
        return json_response(outcome.to_json(dry_run=asked.dryRun))

    async def _chunks(self, asked: BulkRequest, outcome: _Outcome) -> AsyncIterator[list[Upload]]:
        """Yield the uploads that are meant, until the limits of one call. Set the cursor of the next call."""
        if asked.filter is None:
            yield [upload async for upload in self._with_ids(asked.ids or [], outcome)]
            return
        wanted, order = asked.filter.to_filter(), Order.NEWEST
        position = parse_list_cursor(asked.cursor, wanted, order) if asked.cursor else None
        while True:
            left = MAX_EXAMINED - outcome.matched if asked.dryRun else MAX_CHANGES - outcome.eligible
            page = await self._ledger.find(wanted, cursor=position, limit=min(left, _CHUNK))
            yield [upload for upload in page.uploads if is_listed(upload)]
            position = page.cursor
            counted = outcome.matched >= MAX_EXAMINED
            if position is None or counted or (not asked.dryRun and outcome.eligible >= MAX_CHANGES):
                outcome.cursor = as_list_cursor(position, wanted, order)
                return

    async def _with_ids(self, ids: list[str], outcome: _Outcome) -> AsyncIterator[Upload]:
        """Yield the uploads with these ids, each once. Skip the others."""
        for upload_id in dict.fromkeys(ids):
            try:
                check_id(upload_id)
                upload = await self._ledger.get(upload_id)
                if upload.stage is Stage.DELETED:
                    raise WasDeleted
            except StorageError:
                raise
            except RoomcastError as error:
                outcome.matched += 1
                outcome.skip(upload_id, "", error)
            else:
                yield upload

    async def _run(self, action: BulkAction, viewer: Viewer, uploads: list[Upload], outcome: _Outcome) -> None:
        """Do the action, some at a time: a cancel waits until the work has stopped."""
        limit = asyncio.Semaphore(_CONCURRENT)

        async def run(upload: Upload) -> None:
            async with limit:
                try:
                    await action.run(self._uploads, viewer, upload.id)
                except StorageError:
                    raise
                except RoomcastError as error:
                    outcome.skip(upload.id, upload.filename, error)
                else:
                    outcome.changed += 1

        await asyncio.gather(*map(run, uploads))
