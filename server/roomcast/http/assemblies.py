"""The routes of assemblies: their status in the assembly dialect, and what their webhook was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aiohttp import web

from roomcast.assemblies.model import Submission, ended
from roomcast.assemblies.service import Assembly, AssemblyService
from roomcast.assemblies.store import Records
from roomcast.assemblies.webhooks.delivery import Attempt, Delivery, replayed
from roomcast.dialects.assembly import AssemblyRefusal, AssemblyStatus, entity_tag, linked, refusal
from roomcast.errors import Malformed, NotFound, RoomcastError, TooMany
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import Deliveries, WebhookAttempt, WebhookDelivery
from roomcast.uploads.model import Upload, timestamp
from roomcast.uploads.viewer import Viewer

LARGEST_BATCH = 50
STATUS_PATHS = ("/api/transflow/status", "/api/status")
"""Clients of the dialect know the status by either."""


class AssemblyRoutes:
    """`/api/transflow/status`, also known as `/api/status`, and `/api/assemblies/…`. `wake` says that a delivery is
    due."""

    def __init__(
        self,
        submissions: AssemblyService,
        deliveries: Records[Delivery],
        render: Callable[[Submission, Sequence[Upload]], AssemblyStatus],
        url: Callable[[str], str],
        wake: Callable[[], None],
        *,
        url_seconds: int,
    ) -> None:
        self._submissions = submissions
        self._deliveries = deliveries
        self._url = url
        self._wake = wake
        self._render = render
        self._links_last = max(1, url_seconds // 4)  # see UrlSigner

    def add_routes(self, app: web.Application) -> None:
        for path in STATUS_PATHS:
            app.router.add_get(path, self._status)
        app.router.add_get("/api/assemblies/{id}/deliveries", self._list)
        app.router.add_post("/api/assemblies/{id}/deliveries/{delivery}/replay", self._replay)

    async def _status(self, request: web.Request) -> web.Response:
        """One `assemblyId` answers the status; several, a list in their order, in which one that cannot be told has
        `assembly_id`, `error` and `message` alone."""
        wanted = request.query.getall("assemblyId", [])
        if not wanted:
            raise Malformed("Name an assembly: ?assemblyId=…")
        if len(wanted) > LARGEST_BATCH:
            raise TooMany(f"No more than {LARGEST_BATCH} assemblies at once.")
        if len(wanted) > 1:
            return json_response([await self._told(request[VIEWER], assembly_id) for assembly_id in wanted])
        return self._answer(request, await self._submissions.look(request[VIEWER], wanted[0]))

    def _answer(self, request: web.Request, assembly: Assembly) -> web.Response:
        """The status, or 304 to whom has it. Finished ones may be kept by their viewer as long as their links hold."""
        tag = entity_tag(assembly.uploads, edition=int(time.time()) // self._links_last)
        keep = f"private, max-age={self._links_last}" if ended(assembly.uploads) else "private, no-cache"
        headers = {"ETag": tag, "Cache-Control": keep, "Vary": "Authorization, Cookie"}
        known = request.if_none_match or ()
        if any((each.is_weak and f'W/"{each.value}"' == tag) or each.value == "*" for each in known):
            return web.Response(status=304, headers=headers)
        return json_response(self._shown(assembly), headers=headers)

    async def _told(self, viewer: Viewer, assembly_id: str) -> AssemblyStatus | AssemblyRefusal:
        try:
            return self._shown(await self._submissions.look(viewer, assembly_id))
        except RoomcastError as error:
            return refusal(assembly_id, error.as_json())

    def _shown(self, assembly: Assembly) -> AssemblyStatus:
        return linked(self._render(assembly.submission, assembly.uploads), self._url)

    async def _list(self, request: web.Request) -> web.Response:
        """`{deliveries}`, newest first."""
        assembly = await self._submissions.look(request[VIEWER], request.match_info["id"])
        found = await self._deliveries.group(assembly.submission.group)
        told: Deliveries = {"deliveries": [_delivery(delivery) for delivery in found]}
        return json_response(told)

    async def _replay(self, request: web.Request) -> web.Response:
        """202: it is sent again, with a day of tries."""
        assembly = await self._submissions.look(request[VIEWER], request.match_info["id"])
        found = await self._deliveries.get(request.match_info["delivery"])
        if found.group != assembly.submission.group:
            raise NotFound("There is no such delivery.")
        again = await self._deliveries.change(found.id, lambda delivery: replayed(delivery, time.time()))
        self._wake()
        return json_response(_delivery(again), status=202)


def _delivery(delivery: Delivery) -> WebhookDelivery:
    pending = delivery.status == "pending" and delivery.due_at is not None
    return {
        "id": delivery.id,
        "assemblyId": delivery.group,
        "status": delivery.status,
        "createdAt": timestamp(delivery.created_at),
        "nextAttemptAt": timestamp(delivery.due_at or 0.0) if pending else None,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
    }


def _attempt(attempt: Attempt) -> WebhookAttempt:
    return {
        "at": timestamp(attempt.at),
        "seconds": attempt.seconds,
        "status": attempt.status,
        "error": attempt.error,
    }
