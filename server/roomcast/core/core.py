"""The core of a web process: the backends, and the services that HTTP and Socket.IO share."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from roomcast.assemblies.links import UploadLinks
from roomcast.assemblies.service import AssemblyService
from roomcast.core.access import open_authentication, open_tokens
from roomcast.extensions.calls import FunctionCalls
from roomcast.extensions.registry import Extensions
from roomcast.fanout.relay import Relay
from roomcast.forwarded import TrustedProxies
from roomcast.media.links import with_urls
from roomcast.origins import OpenModeGuard, OriginPolicy
from roomcast.services.authentication import Authenticator
from roomcast.services.backends import Backends, Repositories, open_backends, open_repositories
from roomcast.services.deletion import Deletion
from roomcast.services.step_publisher import StepPublisher
from roomcast.services.upload_metrics import UploadMetrics
from roomcast.services.uploads import UploadService
from roomcast.settings.settings import Settings


@dataclass(frozen=True)
class Core:
    """The backends, and the services that HTTP and Socket.IO share."""

    backends: Backends
    repositories: Repositories
    registry: CollectorRegistry
    calls: FunctionCalls
    authenticator: Authenticator
    origins: OriginPolicy
    proxies: TrustedProxies
    guard: OpenModeGuard | None
    relay: Relay
    assemblies: AssemblyService
    uploads: UploadService
    deletion: Deletion
    upload_links: UploadLinks


async def build_core(settings: Settings, extensions: Extensions, lifetime: AsyncExitStack) -> Core:
    """Open the backends until `lifetime` ends, and build the services on them."""
    backends = await lifetime.enter_async_context(open_backends(settings))
    registry = CollectorRegistry()
    backends.ledger.add_observer(UploadMetrics(registry).on_event)
    repositories = await lifetime.enter_async_context(open_repositories(settings, backends.ledger))
    calls = FunctionCalls()
    lifetime.callback(calls.close)
    origins = OriginPolicy(settings.sockets.cors_origins, public_url=settings.server.public_url)
    upload_links = UploadLinks(repositories.links, backends.ledger)
    authenticator = Authenticator(
        origins,
        links=upload_links,
        tokens=open_tokens(settings.auth, lifetime),
        function=open_authentication(settings.auth, extensions, lifetime),
        calls=calls,
        cookie=settings.auth.cookie,
        loopback=settings.server.loopback,
    )
    relay = Relay(backends.ledger, partial(with_urls, media=backends.media))
    await lifetime.enter_async_context(relay.running())
    assemblies = AssemblyService(
        repositories.submissions,
        backends.ledger,
        reproducible=authenticator.can_list,
        cursors=repositories.cursors if settings.assemblies.publishes else None,
        event_cursors=repositories.event_cursors if extensions.listeners else None,
    )
    deletion = Deletion(backends.ledger, backends.media, assemblies, upload_links)
    uploads = UploadService(backends.ledger, backends.media, backends.dispatch, relay, assemblies, deletion)
    guard = OpenModeGuard(origins, loopback=settings.server.loopback) if authenticator.open_mode else None
    proxies = TrustedProxies(settings.server.trusted_proxies)
    return Core(
        backends,
        repositories,
        registry,
        calls,
        authenticator,
        origins,
        proxies,
        guard,
        relay,
        assemblies,
        uploads,
        deletion,
        upload_links,
    )


async def open_publisher(settings: Settings, core: Core, lifetime: AsyncExitStack) -> StepPublisher:
    """Return what publishes the steps of assemblies to the SQS queue, which is open until `lifetime` ends."""
    from roomcast.services.sqs import SqsQueue  # noqa: PLC0415  (it loads botocore, which others do not need)

    queue = await lifetime.enter_async_context(
        SqsQueue.open(
            name=settings.assemblies.sqs_progress_queue_name,
            url=settings.assemblies.sqs_progress_queue_url,
            batch_size=settings.assemblies.sqs_batch_size,
        )
    )
    return StepPublisher(
        queue,
        core.repositories.cursors,
        core.repositories.submissions,
        core.backends.ledger,
        branch=settings.assemblies.branch,
        message_group=settings.assemblies.sqs_message_group,
        registry=core.registry,
    )
