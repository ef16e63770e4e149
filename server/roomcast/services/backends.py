"""Which ledger, media store and dispatch a process works with: the embedded ones, or those that many share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from roomcast.assemblies.dismissed import DismissedTask
from roomcast.assemblies.model import Submission
from roomcast.assemblies.publish_cursor import Sending
from roomcast.assemblies.store import Records
from roomcast.assemblies.webhooks.delivery import GIVE_UP_SECONDS, Delivery
from roomcast.dispatch.contract import Dispatch
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import DirectUploads, MediaStore, ResumableSources
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.url_signer import UrlSigner
from roomcast.runtime.redis_trust import RedisTrust
from roomcast.services.presence import LocalPresence, Presence


@dataclass(frozen=True)
class Places:
    """Where things are kept. Without `redis_url`: SQLite in `data`; without `s3_bucket`: files in `data`."""

    data: Path
    redis_url: str | None
    redis_trust: RedisTrust
    s3_bucket: str | None
    s3_endpoint_url: str | None
    s3_public_url: str | None
    url_seconds: int
    retention_seconds: float
    max_upload_bytes: int
    signer: UrlSigner


@dataclass(frozen=True)
class Backends:
    """What every process shares with the others, or has for itself when it is alone."""

    ledger: Ledger
    media: MediaStore
    dispatch: Dispatch
    resumable: ResumableSources
    direct: DirectUploads | None = None


@asynccontextmanager
async def open_backends(places: Places) -> AsyncIterator[Backends]:
    """Open all three; they are closed in the opposite order on leaving."""
    async with AsyncExitStack() as stack:
        await _refuse_unverified(places)
        media, resumable, direct = await _open_media(places, stack)
        ledger = _open_ledger(places)
        stack.push_async_callback(ledger.close)
        dispatch = await stack.enter_async_context(_dispatch(places))
        yield Backends(ledger, media, dispatch, resumable, direct)


@dataclass(frozen=True)
class Repositories:
    """What web processes keep beside the ledger."""

    submissions: Records[Submission]
    deliveries: Records[Delivery]
    dismissed: Records[DismissedTask]
    sendings: Records[Sending]
    attendance: Presence


@asynccontextmanager
async def open_repositories(places: Places) -> AsyncIterator[Repositories]:
    """Open them, once the ledger is open; they are closed on leaving."""
    if places.redis_url:
        from roomcast.assemblies.redis_store import RedisRecords  # noqa: PLC0415
        from roomcast.runtime.redis_connection import connect  # noqa: PLC0415
        from roomcast.runtime.redis_lua import Scripts  # noqa: PLC0415
        from roomcast.services.redis_presence import RedisAttendance  # noqa: PLC0415

        client = connect(places.redis_url, trust=places.redis_trust)
        scripts, keep_seconds = Scripts(client), places.retention_seconds + GIVE_UP_SECONDS
        yield Repositories(
            RedisRecords(scripts, "submissions", Submission, keep_seconds=keep_seconds),
            RedisRecords(scripts, "deliveries", Delivery, keep_seconds=keep_seconds),
            RedisRecords(scripts, "dismissed", DismissedTask, keep_seconds=keep_seconds),
            RedisRecords(scripts, "sendings", Sending, keep_seconds=keep_seconds),
            RedisAttendance(scripts),
        )
        await client.aclose()
    else:
        from roomcast.assemblies.sqlite_store import SqliteFile, SqliteRecords  # noqa: PLC0415

        file = SqliteFile(places.data / "assemblies.sqlite3")
        yield Repositories(
            SqliteRecords(file, "submissions", Submission),
            SqliteRecords(file, "deliveries", Delivery),
            SqliteRecords(file, "dismissed", DismissedTask),
            SqliteRecords(file, "sendings", Sending),
            LocalPresence(),
        )
        await file.close()


async def _refuse_unverified(places: Places) -> None:
    """Raise `RoomcastError` for a Redis whose certificate is not trusted, before anything goes there."""
    if places.redis_url:
        from roomcast.runtime.redis_connection import refuse_unverified  # noqa: PLC0415

        await refuse_unverified(places.redis_url, places.redis_trust)


def _open_ledger(places: Places) -> Ledger:
    # Imported where they are used: a process alone need not load what only many need.
    if places.redis_url:
        from roomcast.ledger.redis.ledger import RedisLedger  # noqa: PLC0415
        from roomcast.runtime.redis_connection import connect  # noqa: PLC0415

        return RedisLedger(connect(places.redis_url, trust=places.redis_trust))
    from roomcast.ledger.sqlite.ledger import SqliteLedger  # noqa: PLC0415

    return SqliteLedger(places.data / "ledger.sqlite3")


async def _open_media(
    places: Places, stack: AsyncExitStack
) -> tuple[MediaStore, ResumableSources, DirectUploads | None]:
    if not places.s3_bucket:
        directory = DirectoryMediaStore(places.data, places.signer)
        return directory, directory.resumable, None
    from roomcast.media.s3.store import S3MediaStore  # noqa: PLC0415

    store = await stack.enter_async_context(
        S3MediaStore.open(
            places.s3_bucket,
            endpoint_url=places.s3_endpoint_url,
            signer=places.signer,
            public_base_url=places.s3_public_url,
            url_seconds=places.url_seconds,
            largest_bytes=places.max_upload_bytes,
        )
    )
    return store, store.resumable, store.direct


@asynccontextmanager
async def _dispatch(places: Places) -> AsyncIterator[Dispatch]:
    if not places.redis_url:
        yield InProcessDispatch()
        return
    from roomcast.dispatch.taskiq_streams import TaskiqDispatch  # noqa: PLC0415

    async with TaskiqDispatch.open(places.redis_url, trust=places.redis_trust) as dispatch:
        yield dispatch
