"""`/api/uploads/{id}/links`: the owner makes, lists and revokes lasting links."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from roomcast.assemblies.links import UploadLink, UploadLinks
from roomcast.errors import Malformed, NotFound, TooMany
from roomcast.http.intake.json_body import read_json
from roomcast.http.operations import (
    JSON,
    OWNERSHIP_ERRORS,
    Operation,
    Parameter,
    ResponseSpec,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER, json_response
from roomcast.runtime.clocks import unix_time
from roomcast.services.uploads import UploadService
from roomcast.uploads.messages import Shape, Timestamp, Url, timestamp
from roomcast.uploads.templates import FOREVER, parse_duration
from roomcast.uploads.viewer import LinkScope

_MAX_BODY_BYTES = 4 * 1024

LinkId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", examples=["5f0c9a4e1b7d4382"])]


def _seconds_or_time(value: object) -> object:
    """Return the seconds of a duration; leave a time as it is. Raise `ValueError` for what is neither."""
    if isinstance(value, bool):
        raise ValueError("It must be a time, a duration or a number of seconds.")  # noqa: TRY004 (pydantic's)
    if isinstance(value, str) and "-" not in value:
        return parse_duration(value)
    return value


class LinkRequest(BaseModel):
    """A link that the owner of an upload wants."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    scope: Annotated[LinkScope, Field(examples=["view"])] = "view"
    """`view` shows the upload; `control` may also cancel and retry it."""
    expires: Annotated[
        Annotated[Annotated[float, Field(gt=0, le=FOREVER)] | AwareDatetime | None, Field(union_mode="left_to_right")],
        BeforeValidator(_seconds_or_time),
        Field(examples=["2100-01-01T00:00:00Z"]),
    ] = None
    """A time (ISO 8601), or how long the link is valid: `"7d"`, or a number of seconds. Without it, the link is valid
    until it is revoked or the upload is deleted."""


class LinkEntry(Shape):
    """A lasting link, without its URL, which only the answer to its creation has."""

    id: LinkId
    scope: Literal["view", "control"]
    expires: Timestamp | None
    createdAt: Timestamp


class NewLink(LinkEntry):
    """A lasting link."""

    url: Annotated[Url, Field(examples=["/u/link_…"])]
    """The page of the upload; its last segment is a token for requests and sockets. It is not stored, and cannot be
    read again."""


class LinkList(Shape):
    """The links to an upload, newest first."""

    links: list[LinkEntry]


class LinkRoutes(RouteGroup):
    """The links of one upload. `url` returns the URL of a token's page."""

    def __init__(self, uploads: UploadService, links: UploadLinks, url: Callable[[str], str]) -> None:
        self._uploads = uploads
        self._links = links
        self._url = url

    @Operation(
        "POST",
        "/api/uploads/{id}/links",
        Tag.UPLOADS,
        "Make a lasting link",
        (json_body(NewLink, "The link.", status=201),),
        description="The holder of the link sees the upload, without a token, until it expires or is revoked.",
        body={JSON: LinkRequest},
        errors=(*OWNERSHIP_ERRORS, Malformed, TooMany),
    )
    async def _create(self, request: web.Request) -> web.Response:
        upload = await self._uploads.get(request[VIEWER], request.match_info["id"])
        asked = await read_json(request, LinkRequest, "link", max_bytes=_MAX_BODY_BYTES)
        link, token = await self._links.create(upload, asked.scope, _expires_at(asked))
        new: NewLink = {**_entry(link), "url": self._url(token)}
        return json_response(new, status=201)

    @Operation(
        "GET",
        "/api/uploads/{id}/links",
        Tag.UPLOADS,
        "List the lasting links",
        (json_body(LinkList, "The links."),),
        errors=OWNERSHIP_ERRORS,
    )
    async def _list(self, request: web.Request) -> web.Response:
        upload = await self._uploads.get(request[VIEWER], request.match_info["id"])
        found: LinkList = {"links": [_entry(link) for link in await self._links.of(upload)]}
        return json_response(found)

    @Operation(
        "DELETE",
        "/api/uploads/{id}/links/{link}",
        Tag.UPLOADS,
        "Revoke a lasting link",
        (ResponseSpec(204, "The link is no longer valid."),),
        parameters=(Parameter("link", LinkId, "The link's id.", "path", required=True),),
        errors=(*OWNERSHIP_ERRORS, NotFound),
    )
    async def _revoke(self, request: web.Request) -> web.Response:
        upload = await self._uploads.get(request[VIEWER], request.match_info["id"])
        await self._links.revoke(upload, request.match_info["link"])
        return web.Response(status=204)


def _expires_at(asked: LinkRequest) -> float | None:
    """Return the Unix time at which the link expires. Raise `Malformed` if that is past."""
    if asked.expires is None or asked.expires == FOREVER:
        return None
    now = unix_time()
    at = now + asked.expires if isinstance(asked.expires, float) else asked.expires.timestamp()
    if at <= now:
        raise Malformed("The link would have expired already.")
    return min(at, _LAST_TIME)


_LAST_TIME = 253_402_300_799.0
"""The end of the year 9999."""


def _entry(link: UploadLink) -> LinkEntry:
    expires = None if link.expires_at is None else timestamp(link.expires_at)
    return {"id": link.link_id, "scope": link.scope, "expires": expires, "createdAt": timestamp(link.created_at)}
