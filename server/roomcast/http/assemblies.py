"""The routes of assemblies: their status in the assembly dialect, and the deliveries to their webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from roomcast.assemblies.delivery import Attempt, Delivery, reset_delivery
from roomcast.assemblies.model import Submission, all_terminal
from roomcast.assemblies.service import Assembly
from roomcast.assemblies.store import RecordStore
from roomcast.dialects.assembly import (
    ID_MISSING,
    AssemblyRefusal,
    AssemblyStatus,
    assembly_refusal,
    entity_tag,
    with_result_urls,
)
from roomcast.errors import Malformed, NotFound, RoomcastError, TooMany
from roomcast.http.operations import (
    OWNERSHIP_ERRORS,
    Operation,
    Parameter,
    ResponseSpec,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import Deliveries, DeliveryId, WebhookAttempt, WebhookDelivery
from roomcast.runtime.clocks import unix_time
from roomcast.services.uploads import UploadService
from roomcast.uploads.messages import AssemblyId, timestamp
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

MAX_ASSEMBLIES = 50
"""How many assemblies one request may ask for."""

_ETAG = Parameter("ETag", Annotated[str, Field(examples=['W/"8f2a"'])], "For `If-None-Match`.", "header")
_ASSEMBLY = Parameter("id", AssemblyId, "The assembly's id.", "path", required=True)
_DELIVERY = Parameter("delivery", DeliveryId, "The delivery's id.", "path", required=True)


class AssemblyRoutes(RouteGroup):
    """`/api/transflow/status` with its alias `/api/status`, and `/api/assemblies/…`."""

    def __init__(
        self,
        uploads: UploadService,
        deliveries: RecordStore[Delivery],
        render: Callable[[Submission, Sequence[Upload]], AssemblyStatus],
        url: Callable[[str], str],
        wake: Callable[[], None],
        *,
        url_seconds: int,
    ) -> None:
        """`url` makes the URL of a stored object, which expires after `url_seconds`; `wake` starts deliveries that are
        due."""
        self._uploads = uploads
        self._deliveries = deliveries
        self._render = render
        self._url = url
        self._wake = wake
        self._max_age_seconds = max(
            1, url_seconds // 4
        )  # UrlSigner makes a new signature once a quarter of the time has passed

    @Operation(
        "GET",
        "/api/transflow/status",
        Tag.TRANSFLOW,
        "Get the status of assemblies",
        (
            json_body(
                AssemblyStatus | list[AssemblyStatus | AssemblyRefusal],
                "The status of the assembly; of several assemblies, a list in their order.",
                headers=(_ETAG,),
            ),
            ResponseSpec(304, "The status has not changed.", headers=(_ETAG,)),
        ),
        aliases=("/api/status",),
        description=f"`assemblyId` may be repeated, up to {MAX_ASSEMBLIES} times. In a list, an assembly whose status "
        "cannot be answered has `assembly_id`, `error`, `error_code` and `message` alone.",
        parameters=(
            Parameter("assemblyId", AssemblyId, "The assembly's id.", required=True, repeated=True),
            Parameter("If-None-Match", str, "The `ETag` of the response that you have.", "header"),
        ),
        errors=(*OWNERSHIP_ERRORS, Malformed, TooMany),
    )
    async def _get_status(self, request: web.Request) -> web.Response:
        ids = request.query.getall("assemblyId", [])
        if not ids:
            raise Malformed(ID_MISSING)
        if len(ids) > MAX_ASSEMBLIES:
            raise TooMany(f"No more than {MAX_ASSEMBLIES} assemblies can be asked for at once.")
        if len(ids) > 1:
            return json_response([await self._status_or_refusal(request[VIEWER], each) for each in ids])
        assembly = await self._uploads.get_assembly(request[VIEWER], ids[0], discloses=True)
        return self._conditional(request, assembly)

    def _conditional(self, request: web.Request, assembly: Assembly) -> web.Response:
        """Return the status, or 304 if the client has it. A client may cache a finished one while its links work."""
        tag = entity_tag(assembly.uploads, edition=int(unix_time()) // self._max_age_seconds)
        cache = f"private, max-age={self._max_age_seconds}" if all_terminal(assembly.uploads) else "private, no-cache"
        headers = {"ETag": tag, "Cache-Control": cache, "Vary": "Authorization, Cookie"}
        known = request.if_none_match or ()
        if any((each.is_weak and f'W/"{each.value}"' == tag) or each.value == "*" for each in known):
            return web.Response(status=304, headers=headers)
        return json_response(self._status(assembly), headers=headers)

    async def _status_or_refusal(self, viewer: Viewer, assembly_id: str) -> AssemblyStatus | AssemblyRefusal:
        try:
            return self._status(await self._uploads.get_assembly(viewer, assembly_id, discloses=True))
        except RoomcastError as error:
            return assembly_refusal(assembly_id, error.to_json())

    def _status(self, assembly: Assembly) -> AssemblyStatus:
        return with_result_urls(self._render(assembly.submission, assembly.uploads), self._url)

    @Operation(
        "GET",
        "/api/assemblies/{id}/deliveries",
        Tag.ASSEMBLIES,
        "List the deliveries to the webhook",
        (json_body(Deliveries, "The deliveries, newest first."),),
        parameters=(_ASSEMBLY,),
        errors=(NotFound,),
    )
    async def _list_deliveries(self, request: web.Request) -> web.Response:
        assembly = await self._uploads.get_assembly(request[VIEWER], request.match_info["id"])
        found = await self._deliveries.in_group(assembly.submission.group)
        own = [delivery for delivery in found if _is_of(delivery, assembly)]
        deliveries: Deliveries = {"deliveries": [_delivery_to_json(delivery) for delivery in own]}
        return json_response(deliveries)

    @Operation(
        "POST",
        "/api/assemblies/{id}/deliveries/{delivery}/replay",
        Tag.ASSEMBLIES,
        "Deliver to the webhook again",
        (json_body(WebhookDelivery, "The delivery is sent again, and retried for a day if it fails.", status=202),),
        parameters=(_ASSEMBLY, _DELIVERY),
        errors=(NotFound,),
    )
    async def _replay_delivery(self, request: web.Request) -> web.Response:
        assembly = await self._uploads.get_assembly(request[VIEWER], request.match_info["id"])
        found = await self._deliveries.get(request.match_info["delivery"])
        if not _is_of(found, assembly):
            raise NotFound("There is no such delivery.")
        reset = await self._deliveries.update(found.id, lambda delivery: reset_delivery(delivery, unix_time()))
        self._wake()
        return json_response(_delivery_to_json(reset), status=202)


def _is_of(delivery: Delivery, assembly: Assembly) -> bool:
    """Return whether it is a delivery of this assembly, and not of another user's that has the same id."""
    return (delivery.group, delivery.owner) == (assembly.submission.group, assembly.submission.owner)


def _delivery_to_json(delivery: Delivery) -> WebhookDelivery:
    pending = delivery.status == "pending" and delivery.due_at is not None
    return {
        "id": delivery.id,
        "assemblyId": delivery.group,
        "status": delivery.status,
        "createdAt": timestamp(delivery.created_at),
        "nextAttemptAt": timestamp(delivery.due_at or 0.0) if pending else None,
        "attempts": [_attempt_to_json(attempt) for attempt in delivery.attempts],
    }


def _attempt_to_json(attempt: Attempt) -> WebhookAttempt:
    return {
        "at": timestamp(attempt.at),
        "seconds": attempt.seconds,
        "status": attempt.status,
        "error": attempt.error,
    }
