"""`build_app(settings)`: the one place where the web process is wired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import structlog
from aiohttp import web

from server.access import Authenticator
from server.control import Control
from server.embedded import embedded_workers
from server.realtime.relay import Relay
from server.realtime.service import Realtime
from server.settings import Settings
from server.upload.directory_media import DirectoryMediaStore
from server.upload.dispatch import EMBEDDED, Dispatch
from server.upload.signing import UrlSigner
from server.upload.sqlite_ledger import SqliteLedger
from server.upload.upkeep import Upkeep
from server.web.answers import keep_to_ourselves
from server.web.errors import errors_as_json
from server.web.guard import authentication, cors
from server.web.intake import Intake
from server.web.media import MediaRoute
from server.web.pages import Pages
from server.web.receiving import Bounds, Receiver
from server.web.uploads import UploadRoutes

log = structlog.get_logger(__name__)

_LARGEST_JSON_BYTES = 1 << 20


async def build_app(settings: Settings) -> web.Application:
    """The embedded default: SQLite, a directory, workers inside. Everything is open when this returns, and is closed
    by the application's own shutdown and cleanup."""
    settings.data.mkdir(parents=True, exist_ok=True)
    lifetime = AsyncExitStack()

    authenticator = Authenticator(settings)
    signer = UrlSigner(settings.signing_secret(), seconds=settings.url_seconds)
    media = DirectoryMediaStore(settings.data, signer)
    ledger = SqliteLedger(settings.data / "ledger.sqlite3")
    lifetime.push_async_callback(ledger.close)
    dispatch = await lifetime.enter_async_context(Dispatch.open(EMBEDDED))
    relay = Relay(ledger)
    relay.start()
    lifetime.push_async_callback(relay.stop)
    upkeep = Upkeep(
        ledger,
        media,
        dispatch,
        lease_seconds=settings.lease_seconds,
        reservation_seconds=settings.reservation_seconds,
        retention_seconds=settings.retention_seconds,
    )

    control = Control(ledger, media, dispatch, relay)
    realtime = Realtime(settings, relay, control, media, authenticator)
    bounds = Bounds(
        settings.max_upload_bytes, settings.disk_reserve_bytes, settings.body_stall_seconds, settings.lease_seconds
    )
    receiver = Receiver(ledger, media, dispatch, bounds)
    intake = Intake(
        ledger,
        settings.loaded_templates,
        receiver,
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
    UploadRoutes(ledger, media, control, intake, authenticator).add_routes(app)
    MediaRoute(media, signer, max_age_seconds=settings.url_seconds).add_routes(app)
    Pages(settings).add_routes(app)

    await upkeep.start()
    working = AsyncExitStack()
    await working.enter_async_context(embedded_workers(settings, ledger, media, dispatch))
    keeping_up = asyncio.create_task(upkeep.run())

    async def shut_down(_: web.Application) -> None:
        """Work is handed back and sockets are closed first; bodies that still arrive may come to their end."""
        keeping_up.cancel()
        with suppress(asyncio.CancelledError):
            await keeping_up
        await asyncio.gather(working.aclose(), realtime.close())

    async def clean_up(_: web.Application) -> AsyncIterator[None]:
        yield
        await lifetime.aclose()

    app.on_response_prepare.append(keep_to_ourselves)
    app.on_shutdown.append(shut_down)
    app.cleanup_ctx.append(clean_up)
    return app
