"""`/admin` and the calls of its page, except for those that control an upload, which are everyone's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from roomcast.errors import Forbidden, Malformed, RoomcastError, WasDeleted
from roomcast.forwarded import TrustedProxies
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.board import BOARD, AdminBoard
from roomcast.http.admin.detail.film_segments import UploadSegments, film_segments
from roomcast.http.admin.history import Window, first_time, history, parse_window
from roomcast.http.admin.listing import FILTER_PARAMETERS, ORDER_PARAMETER, list_uploads, parse_filter, parse_order
from roomcast.http.admin.schema import Board, HistoryJson, Overview, UploadLogJson, UploadRows
from roomcast.http.admin.upload_log import upload_log
from roomcast.http.admin.view import pause_entries, paused_templates, upload_row
from roomcast.http.errors import status_of
from roomcast.http.middleware import ADMIN_PATH, viewer_of
from roomcast.http.operations import (
    EVENT_STREAM,
    HTML,
    OWNERSHIP_ERRORS,
    EventStream,
    Operation,
    Parameter,
    ResponseSpec,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.pages import PAGE_RESPONSE, page_file
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.streams.sse import sse_event
from roomcast.http.streams.streams import LatestQueue, Streams
from roomcast.http.uploads import PAGE_PARAMETERS, parse_limit
from roomcast.ledger.contract import Ledger
from roomcast.runtime.clocks import unix_time
from roomcast.services.authentication import Authenticator
from roomcast.services.uploads import check_id
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import Message

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; img-src 'self'"
)
_FORBIDDEN_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Roomcast</title>
<h1>Not available from here</h1>
<p>Authentication is off, so the admin page is only available from this machine.</p>
</html>
"""


class AdminRoutes(RouteGroup):
    """`/admin` and `/api/admin/…`."""

    def __init__(
        self,
        access: AdminAccess,
        board: AdminBoard,
        ledger: Ledger,
        streams: Streams,
        authenticator: Authenticator,
        proxies: TrustedProxies,
        with_urls: Callable[[Message], Message],
        image_origins: Sequence[str],
    ) -> None:
        """`with_urls` adds the URLs to a message; `image_origins` are the origins of posters besides the server's."""
        policy = " ".join((_POLICY, *image_origins))
        self._headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
        self._board = board
        self._ledger = ledger
        self._streams = streams
        self._with_urls = with_urls
        self._authenticator = authenticator
        self._access = access
        self._proxies = proxies
        self._html = page_file("admin/admin.html").read_text()

    @Operation(
        "GET",
        ADMIN_PATH,
        Tag.ADMIN,
        "The admin page",
        (
            PAGE_RESPONSE,
            ResponseSpec(401, "The page, which asks for a token.", {HTML: str}),
            ResponseSpec(403, "The page is not available to you.", {HTML: str}),
        ),
    )
    async def _get_page(self, request: web.Request) -> web.Response:
        """Return the page, which holds no data and asks for a token itself; the status says whether one is needed."""
        status = 200
        try:
            self._access.check(request, await viewer_of(request, self._authenticator, self._proxies))
        except RoomcastError as error:
            status = status_of(error)
        html = _FORBIDDEN_PAGE if self._access.open_mode and status != 200 else self._html
        return web.Response(text=html, status=status, content_type="text/html", headers=self._headers)

    @Operation(
        "GET",
        "/api/admin/overview",
        Tag.ADMIN,
        "Get the state of the deployment",
        (json_body(Overview, "The current state."),),
        errors=(Forbidden,),
    )
    async def _get_overview(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        return json_response(await self._board.overview())

    @Operation(
        "GET",
        "/api/admin/uploads",
        Tag.ADMIN,
        "List the uploads of all users",
        (json_body(UploadRows, "A page of the list."),),
        parameters=(*FILTER_PARAMETERS, ORDER_PARAMETER, *PAGE_PARAMETERS[1:]),
        errors=(Forbidden, Malformed),
    )
    async def _list_uploads(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        query = request.query
        found = await list_uploads(
            self._ledger,
            parse_filter(query),
            parse_order(query.get("sort")),
            cursor=query.get("cursor"),
            limit=parse_limit(query.get("limit")),
            now=unix_time(),
        )
        pauses = pause_entries(await self._ledger.administration.pauses())
        rows = [upload_row(upload, paused_templates(pauses)) for upload in found.uploads]
        return json_response(UploadRows(uploads=rows, cursor=found.cursor, complete=found.complete))

    @Operation(
        "GET",
        "/api/admin/uploads/{id}/log",
        Tag.ADMIN,
        "Get the log of an upload",
        (json_body(UploadLogJson, "Its events, stages and attempts, and the log lines about it."),),
        errors=OWNERSHIP_ERRORS,
    )
    async def _get_log(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        upload_id = request.match_info["id"]
        check_id(upload_id)
        found = await self._ledger.administration.upload_history(upload_id)
        if found.upload.stage is Stage.DELETED:
            raise WasDeleted
        paused = paused_templates(pause_entries(await self._ledger.administration.pauses()))
        return json_response(upload_log(found, self._with_urls, sorted(paused), unix_time()))

    @Operation(
        "GET",
        "/api/admin/uploads/{id}/segments",
        Tag.ADMIN,
        "Get the segments of a film",
        (json_body(UploadSegments, "Which of its segments are done, and which workers have the others."),),
        errors=OWNERSHIP_ERRORS,
    )
    async def _get_segments(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        upload_id = request.match_info["id"]
        check_id(upload_id)
        if (await self._ledger.get(upload_id)).stage is Stage.DELETED:
            raise WasDeleted
        board = await self._ledger.segments.board(upload_id)
        return json_response(UploadSegments(film=film_segments(board, unix_time()) if board else None))

    @Operation(
        "GET",
        "/api/admin/history",
        Tag.ADMIN,
        "Get the history of the last hour or day",
        (json_body(HistoryJson, "The history."),),
        parameters=(
            Parameter(
                "window",
                Annotated[str, Field(json_schema_extra={"enum": [*Window, ""]})],
                "`hour`: 60 minutes; `day`: 96 quarters of an hour. `hour` if absent.",
            ),
        ),
        errors=(Forbidden, Malformed),
    )
    async def _get_history(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        window, now = parse_window(request.query.get("window")), unix_time()
        counts = await self._ledger.administration.history(since=first_time(window, now))
        return json_response(history(counts, window, now))

    @Operation(
        "GET",
        "/api/admin/events",
        Tag.ADMIN,
        "Listen to the board",
        (ResponseSpec(200, "The board, whenever it changes.", {EVENT_STREAM: EventStream({BOARD: Board})}),),
        errors=(Forbidden,),
    )
    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        self._access.check(request, request[VIEWER])
        queue: LatestQueue[Board] = LatestQueue(self._streams.stats)
        async with self._board.subscribed(queue) as board:
            return await self._streams.run(request, BOARD, queue, _BoardRenderer(board))


class _BoardRenderer:
    """Renders each board as an event of the stream."""

    finished = False

    def __init__(self, board: Board) -> None:
        self._first = board

    def initial(self) -> bytes:
        return sse_event(BOARD, self._first)

    def render(self, message: Board, is_event: bool) -> bytes:
        return sse_event(BOARD, message)
