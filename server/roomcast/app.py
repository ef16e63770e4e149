"""Build the web process: `build_app(settings, extensions)` is the one place where its parts are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from roomcast_workers.factory import build_workers
from roomcast_workers.steps.plan import StepPlan
from yarl import URL

from roomcast.api_docs.routes import ApiDocs
from roomcast.assemblies.delivery import GIVE_UP_SECONDS
from roomcast.assemblies.finalizer import Finalizer
from roomcast.assemblies.model import Submission
from roomcast.assemblies.webhooks.deliverer import Deliverer
from roomcast.assemblies.webhooks.sender import Sender
from roomcast.core.access import open_checks
from roomcast.core.core import Core, build_core, open_publisher
from roomcast.dialects.assembly import AssemblyStatus, assembly_status, with_result_urls
from roomcast.extensions.contract import BeforeCreate
from roomcast.extensions.registry import Extensions
from roomcast.http.admin.board import AdminBoard
from roomcast.http.admin.build import add_admin_routes
from roomcast.http.assemblies import AssemblyRoutes
from roomcast.http.diagnostics.routes import DiagnosticRoutes
from roomcast.http.errors import errors_as_json
from roomcast.http.health import Health
from roomcast.http.intake.forms import FormIntake
from roomcast.http.intake.presigned import PresignedIntake
from roomcast.http.intake.raw_body import close_detached
from roomcast.http.intake.receiver import Receiver
from roomcast.http.intake.records import NewUploads
from roomcast.http.intake.reservations import Reservations
from roomcast.http.intake.resumable import ResumableIntake
from roomcast.http.intake.routes import IntakeRoutes, PresignedRoutes
from roomcast.http.links.pages import LinkPages
from roomcast.http.links.routes import LinkRoutes
from roomcast.http.media import MediaRoute
from roomcast.http.metrics import ListenerMetrics, ListenerStats, MetricsRoute
from roomcast.http.middleware import (
    authentication,
    connection_limits,
    cors,
    identity_only,
    open_mode_guard,
    request_spans,
)
from roomcast.http.pages import Pages
from roomcast.http.request_handler import request_handlers
from roomcast.http.responses import Links, default_headers
from roomcast.http.sources.importer import Importer
from roomcast.http.sources.reprocessing import ReprocessingRoutes
from roomcast.http.streams.routes import StreamRoutes, TaskView
from roomcast.http.streams.streams import Streams
from roomcast.http.streams.transflow import TransflowRoutes
from roomcast.http.tus.routes import TusRoutes
from roomcast.http.uploads import UploadRoutes
from roomcast.rooms.service import RoomService
from roomcast.rooms.shared_server import SharedServer
from roomcast.runtime.process import process_name
from roomcast.runtime.tasks import periodic, process_heartbeats
from roomcast.services.backends import url_signer
from roomcast.services.listeners.event_delivery import EventDelivery
from roomcast.services.maintenance import Maintenance
from roomcast.services.presence import WebProcess
from roomcast.services.quota import UploadQuota
from roomcast.services.start.usable import wait_until_usable
from roomcast.settings.settings import Settings
from roomcast.tracing import is_tracing
from roomcast.transport.protocol_switch import ProtocolFactory
from roomcast.uploads.model import Upload

PROTOCOL_FACTORY: web.AppKey[Callable[[web.Server], ProtocolFactory]] = web.AppKey("protocol_factory")
"""Makes the protocols of a port's connections: WebSockets of Socket.IO, and those of aiohttp's HTTP server."""

DRAIN: web.AppKey[Callable[[], None]] = web.AppKey("drain")
"""Makes `/readyz` fail from now on, while everything else is served as before."""

USABLE: web.AppKey[Callable[[asyncio.Event], Coroutine[Any, Any, bool]]] = web.AppKey("usable")
"""Returns True when the storage can be used, and False if the event is set before. See `wait_until_usable`."""

SHUTDOWN: web.AppKey[Callable[[], Awaitable[None]]] = web.AppKey("shutdown")
"""Hands work back and closes sockets. Await it before aiohttp's own shutdown, which reads from no connection any more:
request bodies that still arrive may end meanwhile."""

_MAX_JSON_BYTES = 1 << 20
_PRESENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Realtime:
    """What clients listen to: rooms and event streams."""

    rooms: RoomService
    streams: Streams


@dataclass(frozen=True)
class IntakeParts:
    """The ways in, and what receives their bytes."""

    new_uploads: NewUploads
    receiver: Receiver
    forms: FormIntake
    reservations: Reservations
    resumable: ResumableIntake
    presigned: PresignedIntake | None
    importer: Importer
    links: Links


@dataclass(frozen=True)
class AssemblyParts:
    """What finishes assemblies and delivers webhooks."""

    render: Callable[[Submission, Sequence[Upload]], AssemblyStatus]
    deliverer: Deliverer
    finalizer: Finalizer


@dataclass(frozen=True)
class HttpParts:
    """The application, and those of its routes that run in the background."""

    app: web.Application
    maintenance: Maintenance
    health: Health
    board: AdminBoard


async def build_app(settings: Settings, extensions: Extensions, server: SharedServer | None = None) -> web.Application:
    """Return the web application with what `extensions` add. `server` is one of `rooms.service.socket_server`.

    Everything is open when this returns, and is closed with the application.
    """
    settings.check_access(application_authenticates=extensions.authenticates is not None)
    async with AsyncExitStack() as opened:
        lifetime = await opened.enter_async_context(AsyncExitStack())
        background = await opened.enter_async_context(AsyncExitStack())
        app = await _build_app(settings, extensions, server, lifetime, background)
        opened.pop_all()  # had something failed, what is open would be closed now
    return app


async def _build_app(
    settings: Settings,
    extensions: Extensions,
    server: SharedServer | None,
    lifetime: AsyncExitStack,
    background: AsyncExitStack,
) -> web.Application:
    plan = StepPlan(extensions.steps)
    extensions.add_templates(settings.assemblies.loaded_templates)
    core = await build_core(settings, extensions, lifetime)
    extensions.connect(core.backends.ledger)
    lifetime.callback(extensions.connect, None)
    workers = None if settings.storage.redis_url else build_workers(settings, core.backends, plan)
    realtime = build_realtime(settings, core, server)
    intake = build_intake(settings, open_checks(settings.intake, extensions, lifetime), core)
    assemblies = build_assemblies(settings, core)
    http = build_http(settings, core, realtime, intake, assemblies, sandbox=workers.sandbox if workers else None)

    deliverer, finalizer, quota = assemblies.deliverer, assemblies.finalizer, intake.receiver.quota
    for running in (
        core.repositories.web_calls.serving(realtime.rooms.sockets.answer),
        http.maintenance.running(),
        deliverer.running(),
        finalizer.running(),
        quota.running(),
        intake.importer.running(),
    ):
        await background.enter_async_context(running)
    if settings.storage.redis_url:
        presence = periodic(
            http.board.heartbeat, _PRESENCE_SECONDS, name="presence", failure_event="presence_heartbeat_failed"
        )
        await background.enter_async_context(presence)
    if settings.assemblies.publishes:
        publisher = await open_publisher(settings, core, lifetime)
        await background.enter_async_context(publisher.running())
    if extensions.listeners:
        events = EventDelivery(
            core.repositories.event_cursors,
            core.backends.ledger,
            extensions.listeners,
            every_event=not settings.storage.redis_url,
        )
        await background.enter_async_context(events.running())
    if workers:
        await background.enter_async_context(workers.running(settings.worker.workers))

    async def shut_down() -> None:
        realtime.streams.close()
        await realtime.rooms.close()
        await asyncio.gather(background.aclose(), intake.receiver.drain(settings.server.shutdown_seconds))

    async def clean_up(_: web.Application) -> AsyncIterator[None]:
        yield
        await lifetime.aclose()

    rooms = realtime.rooms
    http.app[PROTOCOL_FACTORY] = lambda server: rooms.protocol_factory(
        request_handlers(server, rooms.connections, rooms.scheduler)
    )
    http.app[DRAIN] = http.health.drain
    http.app[SHUTDOWN] = shut_down
    http.app[USABLE] = lambda stop: wait_until_usable(core.backends, settings.storage, stop)
    http.app.cleanup_ctx.append(clean_up)
    return http.app


def build_realtime(settings: Settings, core: Core, server: SharedServer | None) -> Realtime:
    """Build the Socket.IO server and the event streams."""
    rooms = RoomService(settings, core.uploads, core.authenticator, core.upload_links, core.proxies, core.guard, server)
    streams = Streams(
        core.uploads,
        ping_seconds=settings.sockets.ping_seconds,
        stalled_client_seconds=settings.sockets.stalled_client_seconds,
    )
    sockets, event_streams = ListenerStats(rooms.count, rooms.stats), ListenerStats(streams.count, streams.stats)
    listeners = {"socket": sockets, "stream": event_streams}
    core.registry.register(ListenerMetrics(listeners))
    return Realtime(rooms, streams)


def build_intake(settings: Settings, checks: Sequence[BeforeCreate], core: Core) -> IntakeParts:
    """Build the ways in: forms and raw bodies, resumable uploads and, on S3, presigned ones."""
    ledger, media, templates = core.backends.ledger, core.backends.media, settings.assemblies.loaded_templates
    open_mode = core.authenticator.open_mode
    quota = UploadQuota(
        ledger,
        settings.intake.max_in_flight,
        by_address=open_mode,
        expire_unused=open_mode and not settings.server.loopback,
    )
    receiver = Receiver(core.backends, settings.intake, quota, lease_seconds=settings.worker.lease_seconds)
    links = Links(settings.server.base_url)
    presigned = (
        PresignedIntake(ledger, core.backends.presigned, templates, receiver) if core.backends.presigned else None
    )
    new_uploads = NewUploads(templates, checks, core.calls)
    forms = FormIntake(core.assemblies, templates, new_uploads, receiver)
    importer = Importer(
        core.repositories.imports,
        ledger,
        media,
        core.backends.resumable,
        templates,
        receiver,
        private=settings.intake.import_private,
        max_seconds=settings.intake.import_seconds,
    )
    reservations = Reservations(
        core.uploads, core.assemblies, media, templates, new_uploads, receiver, presigned, importer, links
    )
    resumable = ResumableIntake(ledger, media, core.backends.resumable, templates, receiver)
    return IntakeParts(new_uploads, receiver, forms, reservations, resumable, presigned, importer, links)


def build_assemblies(settings: Settings, core: Core) -> AssemblyParts:
    """Build what finishes assemblies and calls their webhooks."""
    ledger, repositories, templates = core.backends.ledger, core.repositories, settings.assemblies.loaded_templates
    retention_seconds = settings.retention.retention_seconds
    render = partial(assembly_status, branch=settings.assemblies.branch)
    deliverer = Deliverer(
        repositories.deliveries,
        templates,
        Sender(private=settings.assemblies.webhook_private),
        partial(with_result_urls, url=core.backends.media.url),
        # Longer than its uploads are kept, or the finalizer would create it again.
        retention_seconds=retention_seconds + GIVE_UP_SECONDS,
        registry=core.registry,
    )
    finalizer = Finalizer(
        core.assemblies,
        repositories.submissions,
        repositories.deliveries,
        ledger,
        templates,
        render,
        deliverer.wake,
        retention_seconds=retention_seconds,
    )
    return AssemblyParts(render, deliverer, finalizer)


def build_http(
    settings: Settings,
    core: Core,
    realtime: Realtime,
    intake: IntakeParts,
    assemblies: AssemblyParts,
    *,
    sandbox: dict[str, str | bool] | None,
) -> HttpParts:
    """Build the application with its middlewares and routes. `sandbox` is how the workers inside are confined."""
    answer_preflight, add_cors_headers = cors(core.origins)
    guards = [open_mode_guard(core.guard, core.proxies)] if core.guard else []
    viewers = authentication(core.authenticator, core.proxies)
    limits = connection_limits(realtime.rooms.connections, open_mode=core.authenticator.open_mode)
    spans = [request_spans] if is_tracing() else []
    middlewares = [*spans, errors_as_json, *guards, identity_only, answer_preflight, viewers, limits]
    app = web.Application(middlewares=middlewares, client_max_size=_MAX_JSON_BYTES)
    app.on_response_prepare.extend((default_headers, add_cors_headers, close_detached))
    realtime.rooms.attach(app)
    _add_upload_routes(app, settings, core, realtime, intake, assemblies)
    MediaRoute(
        core.backends.media, url_signer(settings), core.backends.ledger, max_age_seconds=settings.storage.url_seconds
    ).add_routes(app)
    Pages(settings, core.backends.media.origins, open_mode=core.authenticator.open_mode).add_routes(app)
    DiagnosticRoutes(
        core.proxies, intake.links, public_url=settings.server.public_url, origins=settings.sockets.cors_origins
    ).add_routes(app)
    ApiDocs(settings, open_mode=core.authenticator.open_mode).add_routes(app)
    maintenance = Maintenance(
        core.backends, settings.retention, lease_seconds=settings.worker.lease_seconds, deletion=core.deletion
    )
    health = Health(core.backends, maintenance, process_heartbeats(), sandbox)
    health.add_routes(app)
    MetricsRoute(core.registry, core.backends.ledger, core.authenticator).add_routes(app)
    rooms, streams = realtime.rooms, realtime.streams
    board = add_admin_routes(
        app,
        settings,
        core.backends,
        core.uploads,
        streams,
        core.repositories.presence,
        core.repositories.web_calls,
        core.authenticator,
        core.proxies,
        lambda: WebProcess(process_name(), rooms.count(), streams.count()),
    )
    return HttpParts(app, maintenance, health, board)


def _add_upload_routes(
    app: web.Application,
    settings: Settings,
    core: Core,
    realtime: Realtime,
    intake: IntakeParts,
    assemblies: AssemblyParts,
) -> None:
    """Add the routes of uploads and assemblies, native ones and those of the dialects."""
    ledger, media, uploads, streams = core.backends.ledger, core.backends.media, core.uploads, realtime.streams
    UploadRoutes(ledger, uploads, core.authenticator).add_routes(app)
    IntakeRoutes(uploads, intake.forms, intake.reservations).add_routes(app)
    if intake.presigned:
        PresignedRoutes(uploads, intake.presigned, core.assemblies).add_routes(app)
    AssemblyRoutes(
        core.uploads,
        core.repositories.deliveries,
        assemblies.render,
        media.url,
        assemblies.deliverer.wake,
        url_seconds=settings.storage.url_seconds,
    ).add_routes(app)
    TransflowRoutes(streams, uploads, core.assemblies, branch=settings.assemblies.branch).add_routes(app)
    StreamRoutes(
        streams,
        uploads,
        TaskView(uploads, ledger, core.repositories.dismissed, retention_seconds=settings.retention.task_seconds),
        intake.forms,
        linger_seconds=settings.retention.room_linger_seconds,
        attempts=settings.worker.attempts,
        files_template=settings.assemblies.files_template,
    ).add_routes(app)
    LinkRoutes(uploads, core.upload_links, intake.links.page).add_routes(app)
    public_url = settings.server.public_url
    origins = [*media.origins, *([str(URL(public_url).origin())] if public_url else [])]
    LinkPages(uploads, core.upload_links, media, origins, settings.server.base_url).add_routes(app)
    ReprocessingRoutes(
        uploads,
        core.assemblies,
        media,
        core.backends.resumable,
        settings.assemblies.loaded_templates,
        intake.new_uploads,
        intake.receiver,
    ).add_routes(app)
    TusRoutes(
        ledger,
        core.assemblies,
        uploads,
        settings.assemblies.loaded_templates,
        intake.new_uploads,
        intake.receiver,
        intake.resumable,
        intake.links,
        expires_after=settings.retention.reservation_seconds,
        folder=settings.storage.data,
    ).add_routes(app)
