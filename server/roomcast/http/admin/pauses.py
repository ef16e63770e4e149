"""Administrators pause and resume templates and worker processes."""

from __future__ import annotations

from typing import Annotated

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.wake_ups import wake_worker
from roomcast.errors import Forbidden, Malformed, NotFound, TooLarge
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.schema import Pauses
from roomcast.http.admin.view import pause_entries
from roomcast.http.intake.json_body import read_json
from roomcast.http.operations import JSON, Operation, RouteGroup, Tag, json_body
from roomcast.http.responses import VIEWER, json_response
from roomcast.ledger.administration import EVERY_WORKER, PauseTarget
from roomcast.ledger.contract import Ledger
from roomcast.uploads.templates import Templates

log = structlog.get_logger(__name__)

_MAX_BODY_BYTES = 4 * 1024
_MAX_WAKES = 64


class PauseRequest(BaseModel):
    """What is to be paused or resumed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    type: Annotated[PauseTarget, Field(examples=["template"])]
    name: Annotated[str, Field(min_length=1, max_length=300, examples=["auto"])]
    """A template or a worker process; `*` means all worker processes, also those that start later."""


class PauseRoutes(RouteGroup):
    """`/api/admin/pause` and `/api/admin/resume`."""

    def __init__(self, access: AdminAccess, ledger: Ledger, dispatch: Dispatch, templates: Templates) -> None:
        self._access = access
        self._ledger = ledger
        self._dispatch = dispatch
        self._templates = templates

    @Operation(
        "POST",
        "/api/admin/pause",
        Tag.ADMIN,
        "Pause a template or a worker process",
        (json_body(Pauses, "All pauses."),),
        description="Uploads of a paused template are accepted and wait. A paused worker process finishes what it does "
        "and takes nothing else. If it is paused already, nothing changes.",
        body={JSON: PauseRequest},
        errors=(Forbidden, Malformed, NotFound, TooLarge),
    )
    async def _pause(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        wanted = await read_json(request, PauseRequest, "pause", max_bytes=_MAX_BODY_BYTES)
        await self._check_known(wanted)
        await self._ledger.administration.pause(wanted.type, wanted.name, by=request[VIEWER].user)
        log.info("admin_paused", type=wanted.type, name=wanted.name, user=request[VIEWER].user)
        return await self._all()

    @Operation(
        "POST",
        "/api/admin/resume",
        Tag.ADMIN,
        "Resume a template or a worker process",
        (json_body(Pauses, "The remaining pauses."),),
        description="If it is not paused, nothing changes.",
        body={JSON: PauseRequest},
        errors=(Forbidden, Malformed, TooLarge),
    )
    async def _resume(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        wanted = await read_json(request, PauseRequest, "pause", max_bytes=_MAX_BODY_BYTES)
        await self._ledger.administration.resume(wanted.type, wanted.name)
        log.info("admin_resumed", type=wanted.type, name=wanted.name, user=request[VIEWER].user)
        for upload_id in (await self._ledger.queue())[:_MAX_WAKES]:
            await wake_worker(self._dispatch, upload_id)
        return await self._all()

    async def _check_known(self, wanted: PauseRequest) -> None:
        """Raise `NotFound` for a template or a process that does not exist."""
        if wanted.type == "template" and wanted.name not in {template.name for template in self._templates}:
            raise NotFound("There is no template of that name.")
        process = wanted.type == "worker" and wanted.name != EVERY_WORKER
        if process and wanted.name not in await self._dispatch.live_workers():
            raise NotFound("There is no worker process of that name.")

    async def _all(self) -> web.Response:
        return json_response(Pauses(paused=pause_entries(await self._ledger.administration.pauses())))
