"""Build the admin page's routes: the one module that knows all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiohttp import web

from roomcast.forwarded import TrustedProxies
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.board import AdminBoard
from roomcast.http.admin.bulk import BulkRoutes
from roomcast.http.admin.pauses import PauseRoutes
from roomcast.http.admin.rooms import RoomRoutes
from roomcast.http.admin.routes import AdminRoutes
from roomcast.http.pages import result_origins
from roomcast.http.streams.streams import Streams
from roomcast.media.links import with_urls
from roomcast.services.authentication import Authenticator
from roomcast.services.backends import Backends
from roomcast.services.calls.web_calls import WebCalls
from roomcast.services.presence import Presence, WebProcess
from roomcast.services.uploads import UploadService
from roomcast.settings.settings import Settings


def add_admin_routes(
    app: web.Application,
    settings: Settings,
    backends: Backends,
    uploads: UploadService,
    streams: Streams,
    presence: Presence,
    calls: WebCalls,
    authenticator: Authenticator,
    proxies: TrustedProxies,
    this_process: Callable[[], WebProcess],
) -> AdminBoard:
    """Add the routes to an application and return the board. `this_process` returns the current numbers of this web
    process."""
    access, ledger, dispatch = AdminAccess(authenticator), backends.ledger, backends.dispatch
    urls, origins = partial(with_urls, media=backends.media), result_origins(settings, backends.media.origins)
    templates = settings.assemblies.loaded_templates
    board = AdminBoard(ledger, dispatch, presence, templates, this_process)
    AdminRoutes(access, board, ledger, streams, authenticator, proxies, urls, origins).add_routes(app)
    BulkRoutes(access, ledger, uploads).add_routes(app)
    RoomRoutes(access, board, calls).add_routes(app)
    PauseRoutes(access, ledger, dispatch, templates).add_routes(app)
    return board
