"""Open the backends that the settings name: embedded ones (SQLite and a directory), or Redis and S3.

Modules of Redis and S3 are imported where they are used, so that a process with embedded backends does not load them.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

import structlog

from roomcast.assemblies.delivery import GIVE_UP_SECONDS, Delivery
from roomcast.assemblies.event_cursors import EventCursor
from roomcast.assemblies.links import UploadLink
from roomcast.assemblies.model import Submission
from roomcast.assemblies.records import DismissedTask, Import, PublishCursor
from roomcast.assemblies.store import RecordStore
from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.errors import StorageError, StorageRefused
from roomcast.ledger.contract import Ledger
from roomcast.ledger.log_lines import stored_log_lines
from roomcast.media.contract import MediaStore, PresignedUploads, ResumableSources
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.clocks import RunningClock
from roomcast.runtime.files import create_durably, make_private_directory
from roomcast.services.calls.web_calls import LocalWebCalls, RedisWebCalls, WebCalls
from roomcast.services.presence import LocalPresence, Presence
from roomcast.settings.auth import SECRET_BYTES
from roomcast.settings.settings import Settings
from roomcast.tracing import without_opentelemetry

log = structlog.get_logger(__name__)

_COMPARE_SECONDS = 5.0
_LINK_SECONDS = 100 * 365 * 86400.0
"""How long Redis stores a link that is not revoked."""


@dataclass(frozen=True)
class Backends:
    """The backends that web processes and workers use."""

    ledger: Ledger
    media: MediaStore
    dispatch: Dispatch
    resumable: ResumableSources
    presigned: PresignedUploads | None = None


@asynccontextmanager
async def open_backends(settings: Settings) -> AsyncIterator[Backends]:
    """Open the backends, and close them on exit. Raise `RoomcastError` or `OSError` when one cannot be used."""
    make_private_directory(settings.storage.data)
    async with AsyncExitStack() as stack:
        await _refuse_unverified(settings)
        media, resumable, direct = await _open_media(settings, stack)
        ledger = await _open_ledger(settings, stack)
        await _refuse_foreign_media(ledger, media)
        await stack.enter_async_context(stored_log_lines(ledger.administration))
        dispatch = await stack.enter_async_context(_dispatch(settings))
        yield Backends(ledger, media, dispatch, resumable, direct)


@dataclass(frozen=True)
class Repositories:
    """The records that web processes store beside the ledger."""

    submissions: RecordStore[Submission]
    deliveries: RecordStore[Delivery]
    dismissed: RecordStore[DismissedTask]
    cursors: RecordStore[PublishCursor]
    event_cursors: RecordStore[EventCursor]
    imports: RecordStore[Import]
    links: RecordStore[UploadLink]
    presence: Presence
    web_calls: WebCalls


@asynccontextmanager
async def open_repositories(settings: Settings, ledger: Ledger) -> AsyncIterator[Repositories]:
    """Open the repositories in the storage of `ledger`, and close them on exit."""
    if settings.storage.redis_url:
        from roomcast.assemblies.redis_store import RedisRecordStore  # noqa: PLC0415
        from roomcast.ledger.redis.ledger import RedisLedger  # noqa: PLC0415
        from roomcast.runtime.redis_connection import connect  # noqa: PLC0415
        from roomcast.runtime.redis_lua import Scripts  # noqa: PLC0415
        from roomcast.services.presence import RedisPresence  # noqa: PLC0415

        scripts = cast(RedisLedger, ledger).scripts
        client = connect(settings.storage.redis_url, trust=settings.storage.redis_trust)
        ttl = settings.retention.retention_seconds + GIVE_UP_SECONDS
        yield Repositories(
            RedisRecordStore(scripts, "submissions", Submission, ttl=ttl),
            RedisRecordStore(scripts, "deliveries", Delivery, ttl=ttl),
            RedisRecordStore(scripts, "dismissed_tasks", DismissedTask, ttl=ttl),
            RedisRecordStore(scripts, "publish_cursors", PublishCursor, ttl=ttl),
            RedisRecordStore(scripts, "event_cursors", EventCursor, ttl=ttl),
            RedisRecordStore(scripts, "imports", Import, ttl=ttl),
            RedisRecordStore(scripts, "upload_links", UploadLink, ttl=_LINK_SECONDS),
            RedisPresence(Scripts(client)),
            RedisWebCalls(scripts),
        )
        await client.aclose()
    else:
        from roomcast.assemblies.sqlite_store import SqliteRecordStore  # noqa: PLC0415
        from roomcast.ledger.sqlite.ledger import SqliteLedger  # noqa: PLC0415

        database = cast(SqliteLedger, ledger).database
        yield Repositories(
            SqliteRecordStore(database, "submissions", Submission),
            SqliteRecordStore(database, "deliveries", Delivery),
            SqliteRecordStore(database, "dismissed_tasks", DismissedTask),
            SqliteRecordStore(database, "publish_cursors", PublishCursor),
            SqliteRecordStore(database, "event_cursors", EventCursor),
            SqliteRecordStore(database, "imports", Import),
            SqliteRecordStore(database, "upload_links", UploadLink),
            LocalPresence(),
            LocalWebCalls(),
        )


async def _refuse_unverified(settings: Settings) -> None:
    """Raise `RoomcastError` for a Redis whose certificate is not trusted, before anything is sent to it."""
    if settings.storage.redis_url:
        with without_opentelemetry():
            from roomcast.runtime.redis_connection import refuse_unverified  # noqa: PLC0415

        await refuse_unverified(settings.storage.redis_url, settings.storage.redis_trust)


async def _open_ledger(settings: Settings, stack: AsyncExitStack) -> Ledger:
    """Open the ledger and migrate older data; raise `IncompatibleSchema` for data of a newer version."""
    if settings.storage.redis_url:
        from roomcast.ledger.redis.ledger import RedisLedger  # noqa: PLC0415
        from roomcast.runtime.redis_connection import connect  # noqa: PLC0415

        redis = RedisLedger(connect(settings.storage.redis_url, trust=settings.storage.redis_trust))
        stack.push_async_callback(redis.close)
        await redis.prepare()
        return redis
    from roomcast.ledger.sqlite.ledger import SqliteLedger  # noqa: PLC0415

    # Leases are renewed and checked at least this often; see `renew_periodically` and `Maintenance`.
    lease_clock = RunningClock(max_step=min(1.0, settings.worker.lease_seconds / 4))
    sqlite = SqliteLedger(settings.storage.data / "ledger.sqlite3", lease_clock=lease_clock)
    stack.push_async_callback(sqlite.close)
    return sqlite


async def foreign_media(ledger: Ledger, media: MediaStore) -> str | None:
    """Return a sentence if the media store belongs to another ledger, else None. A new store is claimed."""
    own_id = await ledger.deployment()
    store_id = await media.claim_deployment(own_id)
    if store_id == own_id:
        return None
    return (
        f"The media store belongs to another deployment ({store_id}; the ledger is of {own_id}): set the media store of"
        f" this deployment, or delete {media.deployment_location} if this ledger is to take over the store."
    )


async def _refuse_foreign_media(ledger: Ledger, media: MediaStore) -> None:
    """Raise `StorageError` if the media store belongs to another ledger. If one of the two cannot be reached,
    `Maintenance` compares them later."""
    try:
        async with asyncio.timeout(_COMPARE_SECONDS):
            foreign = await foreign_media(ledger, media)
    except StorageRefused as refused:
        await _refuse_unusable(media, refused)
        return
    except (StorageError, TimeoutError):
        log.warning("deployments_not_compared", exc_info=True)
        return
    if foreign:
        raise StorageError(foreign)


async def _refuse_unusable(media: MediaStore, refused: StorageRefused) -> None:
    """Raise `StorageError` with what to change, if the media store does not accept writes either."""
    try:
        await media.check_writable()
    except StorageRefused as again:
        if again.reason == "NoSuchBucket":
            reason = "There is no bucket of the name in S3_BUCKET. Create it, or set S3_BUCKET to another."
        else:
            reason = (
                f"S3 refuses access to the bucket in S3_BUCKET ({again.reason}). Check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, AWS_REGION and what this user may do there."
            )
        raise StorageError(reason) from again
    log.warning("deployments_not_compared", reason=f"The media store refuses reads ({refused.reason}).")


async def _open_media(
    settings: Settings, stack: AsyncExitStack
) -> tuple[MediaStore, ResumableSources, PresignedUploads | None]:
    storage, signer = settings.storage, url_signer(settings)
    if not storage.s3_bucket:
        directory = DirectoryMediaStore(storage.data, signer)
        return directory, directory.resumable, None
    from roomcast.media.s3.store import S3MediaStore  # noqa: PLC0415

    store = await stack.enter_async_context(
        S3MediaStore.open(
            storage.s3_bucket,
            endpoint_url=storage.s3_endpoint_url,
            signer=signer,
            public_base_url=storage.s3_public_url,
            url_seconds=storage.url_seconds,
            largest_bytes=settings.intake.max_upload_bytes,
        )
    )
    return store, store.resumable, store.presigned


def url_signer(settings: Settings) -> UrlSigner:
    """Return what signs and checks the links to results."""
    return UrlSigner(url_secret(settings), seconds=settings.storage.url_seconds, base=settings.server.base_url)


def url_secret(settings: Settings) -> bytes:
    """Return the secret that links to results are signed with.

    Without the setting, processes that share a Redis derive it from `JWT_SECRET`, because they may share no disk.
    Others create it on first use, in the data directory. Raise `StorageError` if the file there is no secret.
    """
    if settings.storage.url_secret:
        return settings.storage.url_secret.encode()
    if settings.storage.redis_url and settings.auth.jwt_secret:
        return hmac.digest(settings.auth.jwt_secret.encode(), b"roomcast media urls", "sha256")
    path = settings.storage.data / "url.secret"
    if not path.exists():
        create_durably(path, secrets.token_hex(SECRET_BYTES).encode())
    secret = path.read_bytes()
    if len(secret.strip()) < SECRET_BYTES:
        raise StorageError(
            f"The file {path} has fewer than {SECRET_BYTES} bytes, so that links to results could be forged. "
            "Delete it, and a new one is made; links that were given out before are then no longer valid."
        )
    return secret


@asynccontextmanager
async def _dispatch(settings: Settings) -> AsyncIterator[Dispatch]:
    if not settings.storage.redis_url:
        yield InProcessDispatch()
        return
    from roomcast.dispatch.taskiq_streams import TaskiqDispatch  # noqa: PLC0415

    async with TaskiqDispatch.open(settings.storage.redis_url, trust=settings.storage.redis_trust) as dispatch:
        yield dispatch
