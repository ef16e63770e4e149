"""`build_app(settings)`: the one place where the web process is wired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from roomcast.api_docs.routes import Descriptions
from roomcast.assemblies.finalizer import Finalizer
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.webhooks.deliverer import Deliverer
from roomcast.assemblies.webhooks.delivery import GIVE_UP_SECONDS
from roomcast.assemblies.webhooks.sender import Sender
from roomcast.auth import Authenticator
from roomcast.dialects.assembly import assembly_status, linked
from roomcast.embedded import embedded_workers
from roomcast.fanout.relay import Relay
from roomcast.http.admin.board import AdminBoard
from roomcast.http.admin.routes import AdminRoutes
from roomcast.http.assemblies import AssemblyRoutes
from roomcast.http.errors import errors_as_json
from roomcast.http.health import Health
from roomcast.http.intake.forms import Intake
from roomcast.http.intake.presigned import DirectIntake
from roomcast.http.intake.raw_body import end_connection
from roomcast.http.intake.receiver import IntakeLimits, Receiver
from roomcast.http.intake.resumable import Resuming
from roomcast.http.links import Links
from roomcast.http.media import MediaRoute
from roomcast.http.metrics import ListenerMetrics, Listeners, MetricsRoute
from roomcast.http.middleware import authentication, cors, credential_of
from roomcast.http.pages import Pages
from roomcast.http.responses import default_headers
from roomcast.http.streams.routes import StreamRoutes, TaskView
from roomcast.http.streams.streams import Streams
from roomcast.http.streams.transflow import TransflowRoutes
from roomcast.http.tus.routes import TusRoutes
from roomcast.http.uploads import UploadRoutes
from roomcast.media.links import present
from roomcast.origins import OriginPolicy
from roomcast.rooms.service import RoomService
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import periodic
from roomcast.services.backends import open_backends, open_repositories
from roomcast.services.maintenance import Maintenance
from roomcast.services.presence import WebProcess
from roomcast.services.step_publisher import Publisher
from roomcast.services.upload_metrics import UploadMetrics
from roomcast.services.uploads import UploadService
from roomcast.settings import Settings

log = structlog.get_logger(__name__)

Protocols = Callable[[], asyncio.Protocol]

PROTOCOL_FACTORY: web.AppKey[Callable[[Protocols], Protocols]] = web.AppKey("protocol_factory")
"""From what makes the protocol of an HTTP connection to what makes a port's: Socket.IO's WebSockets need no HTTP."""

WIND_DOWN: web.AppKey[Callable[[], Awaitable[None]]] = web.AppKey("wind_down")

_LARGEST_JSON_BYTES = 1 << 20
_ATTEND_SECONDS = 1.0


async def build_app(settings: Settings) -> web.Application:
    """Alone (SQLite, a directory, workers inside) or one of many (Redis, S3), as the settings say. Everything is open
    when this returns, and is closed by the application's own shutdown and cleanup."""
    lifetime = AsyncExitStack()
    places = settings.places()
    parts = await lifetime.enter_async_context(open_backends(places))
    ledger, media, dispatch = parts.ledger, parts.media, parts.dispatch
    registry = CollectorRegistry()
    ledger.add_observer(UploadMetrics(registry).on_event)
    books = await lifetime.enter_async_context(open_repositories(places))
    authenticator = Authenticator(settings)
    relay = Relay(ledger)
    relay.start()
    lifetime.push_async_callback(relay.stop)

    submissions = AssemblyService(
        books.submissions,
        ledger,
        reproducible=authenticator.may_list(),
        sendings=books.sendings if settings.publishes else None,
    )
    control = UploadService(ledger, media, dispatch, relay, submissions)
    policy = OriginPolicy(settings.cors_origins)
    rooms = RoomService(settings, relay, control, media, authenticator, policy)
    streams = Streams(
        control, ping_seconds=settings.ping_seconds, stalled_client_seconds=settings.stalled_client_seconds
    )
    bounds = IntakeLimits(
        settings.max_upload_bytes,
        settings.disk_reserve_bytes,
        settings.body_stall_seconds,
        settings.lease_seconds,
        settings.viewer_bytes_per_second,
        settings.algorithms,
    )
    receiver = Receiver(ledger, media, parts.resumable, dispatch, bounds)
    links = Links(settings.public_url)
    direct = DirectIntake(ledger, parts.direct, settings.loaded_templates, receiver) if parts.direct else None
    intake = Intake(
        submissions,
        media,
        settings.loaded_templates,
        receiver,
        direct,
        links,
        max_files=settings.max_files,
        max_in_flight=settings.max_in_flight,
    )

    render = partial(assembly_status, branch=settings.branch)
    deliverer = Deliverer(
        books.deliveries,
        settings.loaded_templates,
        Sender(private=settings.webhook_private),
        partial(linked, url=media.url),
        # Longer than its uploads are kept, or it would be thought to be still to come.
        keep_seconds=settings.retention_seconds + GIVE_UP_SECONDS,
        registry=registry,
    )
    finalizer = Finalizer(
        submissions,
        books.submissions,
        books.deliveries,
        ledger,
        settings.loaded_templates,
        render,
        deliverer.wake,
        retention_seconds=settings.retention_seconds,
    )

    credential = partial(credential_of, cookie=settings.cookie, policy=policy)
    answer_preflight, mark_cors = cors(policy)
    app = web.Application(
        middlewares=[
            answer_preflight,
            errors_as_json,
            authentication(authenticator, credential),
        ],
        client_max_size=_LARGEST_JSON_BYTES,
    )
    rooms.attach(app)
    UploadRoutes(ledger, media, control, intake, direct, submissions, authenticator).add_routes(app)
    AssemblyRoutes(
        submissions, books.deliveries, render, media.url, deliverer.wake, url_seconds=settings.url_seconds
    ).add_routes(app)
    TransflowRoutes(streams, control, submissions, partial(present, media=media), branch=settings.branch).add_routes(
        app
    )
    StreamRoutes(
        streams,
        control,
        TaskView(control, ledger, books.dismissed, keep_seconds=settings.task_seconds),
        intake,
        media,
        linger_seconds=settings.room_linger_seconds,
        attempts=settings.attempts,
        files_template=settings.files_template,
    ).add_routes(app)
    TusRoutes(
        ledger,
        submissions,
        control,
        settings.loaded_templates,
        receiver,
        Resuming(ledger, media, parts.resumable, settings.loaded_templates, receiver),
        links,
        max_in_flight=settings.max_in_flight,
        max_upload_bytes=settings.max_upload_bytes,
        patience_seconds=settings.reservation_seconds,
        folder=settings.data,
    ).add_routes(app)
    MediaRoute(media, places.signer, max_age_seconds=settings.url_seconds).add_routes(app)
    Pages(settings).add_routes(app)
    Descriptions(app, settings).add_routes()
    workers = None if settings.redis_url else embedded_workers(settings, parts)
    upkeep = Maintenance(parts, settings.terms())
    Health(parts, upkeep, workers.sandbox if workers else None).add_routes(app)
    sockets = Listeners(rooms.count, rooms.stats)
    registry.register(ListenerMetrics({"socket": sockets, "stream": Listeners(streams.count, streams.stats)}))
    MetricsRoute(registry, ledger, authenticator).add_routes(app)
    board = AdminBoard(
        ledger, dispatch, books.attendance, lambda: WebProcess(process_name(), rooms.count(), streams.count())
    )
    AdminRoutes(board, ledger, streams, authenticator, credential).add_routes(app)

    working = AsyncExitStack()
    await working.enter_async_context(upkeep.running())
    await working.enter_async_context(deliverer.running())
    await working.enter_async_context(finalizer.running())
    if settings.redis_url:
        await working.enter_async_context(
            periodic(board.attend, _ATTEND_SECONDS, failure_event="presence_heartbeat_failed")
        )
    if settings.publishes:
        from roomcast.services.sqs import SqsQueue  # noqa: PLC0415  (who has no such queue need not load what it takes)

        queue = await lifetime.enter_async_context(
            SqsQueue.open(
                name=settings.sqs_progress_queue_name,
                url=settings.sqs_progress_queue_url,
                batch_size=settings.sqs_batch_size,
            )
        )
        publisher = Publisher(
            queue,
            books.sendings,
            books.submissions,
            ledger,
            branch=settings.branch,
            message_group=settings.sqs_message_group,
            registry=registry,
        )
        await working.enter_async_context(publisher.running())
    if workers:
        await working.enter_async_context(workers.running(settings.workers))

    async def wind_down() -> None:
        """Hand work back and close sockets; meanwhile bodies that still arrive may come to their end.

        For before aiohttp's own shutdown, which reads no more from any connection.
        """
        streams.close()
        await rooms.close()
        await asyncio.gather(working.aclose(), receiver.drain(settings.shutdown_seconds))

    async def clean_up(_: web.Application) -> AsyncIterator[None]:
        yield
        await lifetime.aclose()

    app.on_response_prepare.extend((default_headers, mark_cors, end_connection))
    app[PROTOCOL_FACTORY] = rooms.protocol_factory
    app[WIND_DOWN] = wind_down
    app.cleanup_ctx.append(clean_up)
    return app
