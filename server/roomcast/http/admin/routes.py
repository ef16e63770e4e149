"""`/admin`, and the calls that its page makes. Controlling an upload goes the way that everybody's goes."""

from __future__ import annotations

from aiohttp import web

from roomcast.auth import Authenticator
from roomcast.errors import RoomcastError
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.board import BOARD, AdminBoard
from roomcast.http.admin.schema import Board, Uploads
from roomcast.http.admin.view import row
from roomcast.http.errors import STATUS
from roomcast.http.middleware import Credential
from roomcast.http.pages import STATIC
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.streams.sse import event
from roomcast.http.streams.streams import LatestQueue, Streams
from roomcast.http.uploads import limit_in, status_in
from roomcast.ledger.contract import Ledger

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_REFUSED = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Roomcast</title>
<h1>Not from here</h1>
<p>This server asks nobody for credentials, so it shows this page on its own machine alone, without a proxy between.</p>
</html>
"""


class AdminRoutes:
    """`/admin` and `/api/admin/`."""

    def __init__(
        self, board: AdminBoard, ledger: Ledger, streams: Streams, authenticator: Authenticator, credential: Credential
    ) -> None:
        self._board = board
        self._ledger = ledger
        self._streams = streams
        self._authenticator = authenticator
        self._access = AdminAccess(authenticator)
        self._credential = credential
        self._html = (STATIC / "admin" / "admin.html").read_text()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/admin", self._page)
        app.router.add_get("/api/admin/overview", self._overview)
        app.router.add_get("/api/admin/uploads", self._uploads)
        app.router.add_get("/api/admin/events", self._events, allow_head=False)

    async def _page(self, request: web.Request) -> web.Response:
        """The page holds nothing of anybody's, and asks for a token itself; the status says whether it had to."""
        status = 200
        try:
            self._access.check(request, self._authenticator.viewer(self._credential(request)))
        except RoomcastError as error:
            status = STATUS[error.code]
        html = _REFUSED if self._access.open_mode and status != 200 else self._html
        return web.Response(text=html, status=status, content_type="text/html", headers=_HEADERS)

    async def _overview(self, request: web.Request) -> web.Response:
        """How everything stands: `admin_shapes.Overview`."""
        self._check(request)
        return json_response(await self._board.overview())

    async def _uploads(self, request: web.Request) -> web.Response:
        """Everybody's uploads, newest first: `admin_shapes.Uploads`; `status`, `limit` and `cursor` in the query."""
        self._check(request)
        query = request.query
        page = await self._ledger.page(
            None, status=status_in(query.get("status")), cursor=query.get("cursor"), limit=limit_in(query.get("limit"))
        )
        rows = [row(upload) for upload in page.uploads if not upload.is_partial]
        return json_response(Uploads(uploads=rows, cursor=page.cursor))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The board as server-sent events, `event: board` with an `admin_shapes.Board`, whenever it has changed."""
        self._check(request)
        feed: LatestQueue[Board] = LatestQueue(self._streams.stats)
        async with self._board.watched(feed) as board:
            return await self._streams.speak(request, BOARD, feed, _Telling(board))

    def _check(self, request: web.Request) -> None:
        self._access.check(request, request[VIEWER])


class _Telling:
    """The speech of a stream that tells the board."""

    over = False

    def __init__(self, board: Board) -> None:
        self._first = board

    def opening(self) -> bytes:
        return event(BOARD, self._first)

    def of(self, told: Board, is_event: bool) -> bytes:
        return event(BOARD, told)
