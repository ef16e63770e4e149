"""`build_app(settings)`: the one place where the web process is wired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from server.access import Authenticator
from server.control import Control
from server.embedded import embedded_workers
from server.realtime.relay import Relay
from server.realtime.service import Realtime
from server.settings import Settings
from server.upload.directory_media import DirectoryMediaStore
from server.upload.opening import open_parts
from server.upload.upkeep import Upkeep
from server.web.answers import house_headers
from server.web.direct import DirectIntake
from server.web.errors import errors_as_json
from server.web.guard import authentication, cors
from server.web.health import Health
from server.web.intake import Intake
from server.web.media import MediaRoute
from server.web.pages import Pages
from server.web.receiving import Bounds, Receiver
from server.web.uploads import UploadRoutes

log = structlog.get_logger(__name__)

WIND_DOWN: web.AppKey[Callable[[], Awaitable[None]]] = web.AppKey("wind_down")

_LARGEST_JSON_BYTES = 1 << 20


async def build_app(settings: Settings) -> web.Application:
    """Alone (SQLite, a directory, workers inside) or one of many (Redis, S3), as the settings say. Everything is open
    when this returns, and is closed by the application's own shutdown and cleanup."""
    lifetime = AsyncExitStack()
    places = settings.places()
    parts = await lifetime.enter_async_context(open_parts(places))
    ledger, media, dispatch = parts.ledger, parts.media, parts.dispatch
    authenticator = Authenticator(settings)
    relay = Relay(ledger)
    relay.start()
    lifetime.push_async_callback(relay.stop)

    control = Control(ledger, media, dispatch, relay)
    realtime = Realtime(settings, relay, control, media, authenticator)
    bounds = Bounds(
        settings.max_upload_bytes, settings.disk_reserve_bytes, settings.body_stall_seconds, settings.lease_seconds
    )
    receiver = Receiver(ledger, media, dispatch, bounds)
    direct = DirectIntake(ledger, parts.direct, settings.loaded_templates, receiver) if parts.direct else None
    intake = Intake(
        ledger,
        settings.loaded_templates,
        receiver,
        direct,
        max_files=settings.max_files,
        max_in_flight=settings.max_in_flight,
    )

    app = web.Application(
        middlewares=[
            cors(settings.cors_origins),
            errors_as_json,
            authentication(authenticator, settings.cookie, settings.cors_origins),
        ],
        client_max_size=_LARGEST_JSON_BYTES,
    )
    realtime.add_routes(app)
    UploadRoutes(ledger, media, control, intake, direct, authenticator).add_routes(app)
    if isinstance(media, DirectoryMediaStore):
        MediaRoute(media, places.signer, max_age_seconds=settings.url_seconds).add_routes(app)
    Pages(settings).add_routes(app)
    Health(parts).add_routes(app)

    working = AsyncExitStack()
    await working.enter_async_context(Upkeep(parts, settings.terms()).running())
    if not settings.redis_url:
        await working.enter_async_context(embedded_workers(settings, parts))

    async def wind_down() -> None:
        """Hand work back and close sockets; meanwhile bodies that still arrive may come to their end.

        For before aiohttp's own shutdown, which reads no more from any connection.
        """
        await asyncio.gather(working.aclose(), realtime.close(), receiver.drain(settings.shutdown_seconds))

    async def clean_up(_: web.Application) -> AsyncIterator[None]:
        yield
        await lifetime.aclose()

    app.on_response_prepare.append(house_headers)
    app[WIND_DOWN] = wind_down
    app.cleanup_ctx.append(clean_up)
    return app
