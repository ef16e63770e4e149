"""Maintenance of a media store: which sources it deletes, and that those of another ledger stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.errors import RoomcastError
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import MediaStore
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.s3.store import S3MediaStore
from roomcast.runtime.redis_connection import connect
from roomcast.services import maintenance as module
from roomcast.services.backends import Backends, foreign_media
from roomcast.services.maintenance import Maintenance
from roomcast.settings.retention import RetentionSettings
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, error_body, new_upload_id, source_key
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.ledgers import SOURCE, Clock, created
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import BUCKET, SIGNER, S3Server, moto_server, set_environment


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(params=["directory", "s3"])
async def media(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MediaStore]:
    if request.param == "directory":
        yield DirectoryMediaStore(tmp_path / "data", SIGNER)
        return
    set_environment(monkeypatch)
    url, prefix = request.getfixturevalue("moto").url, new_upload_id()
    opening = S3MediaStore.open(
        BUCKET, endpoint_url=url, signer=SIGNER, public_base_url=None, url_seconds=60, prefix=prefix, largest_bytes=1
    )
    async with opening as store:
        yield store


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with opened(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@asynccontextmanager
async def opened(path: Path, *, ago: float = 0.0) -> AsyncIterator[SqliteLedger]:
    """A ledger whose clock is so many seconds behind."""
    ledger = SqliteLedger(path, clock=lambda: time.time() - ago)
    yield ledger
    await ledger.close()


def maintenance_of(
    ledger: Ledger, media: MediaStore, *, retention_seconds: float = 86400.0, reservation_seconds: float = 3600.0
) -> Maintenance:
    parts = Backends(ledger, media, InProcessDispatch(), None)  # type: ignore[arg-type]
    return Maintenance(
        parts,
        RetentionSettings.model_construct(retention_seconds=retention_seconds, reservation_seconds=reservation_seconds),
        lease_seconds=0.04,
    )


@pytest.fixture
def a_day_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the store now counts as older than a day."""
    monkeypatch.setattr(module, "_STALE_SECONDS", -3600.0)


async def put(media: MediaStore, name: str) -> str:
    async with media.receive(name) as incoming:
        await incoming.write(b"bytes")
        return await incoming.commit()


async def queued_with_source(ledger: Ledger, media: MediaStore) -> str:
    """An upload that waits; the name of its source."""
    upload = await created(ledger, Clock())
    key = await put(media, source_key(upload))
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=replace(SOURCE, key=key)))
    return key


async def failed_with_source(ledger: Ledger, media: MediaStore, *, retryable: bool) -> str:
    key = await queued_with_source(ledger, media)
    claim = await ledger.claim_next(holder="w", seconds=5)
    assert claim is not None
    error = error_body(RoomcastError("It failed."), Stage.COMPRESSING, retryable=retryable)
    await ledger.append(claim.upload.id, Change(Failed(), "It failed.", error=error), token=claim.lease.token)
    return key


async def everything(maintenance: Maintenance) -> None:
    """All that clears up, once."""
    for do in (maintenance._expire_leases, maintenance._tidy, maintenance._expire, maintenance._sweep):
        await do()


@pytest.mark.usefixtures("a_day_passes")
async def test_maintenance_of_another_ledger_deletes_no_source_however_old(
    ledger: SqliteLedger, media: MediaStore, tmp_path: Path
) -> None:
    key = await queued_with_source(ledger, media)
    await everything(maintenance_of(ledger, media))
    async with opened(tmp_path / "other.sqlite3") as other:
        maintenance = maintenance_of(other, media)
        with capture_logs() as logs:
            await everything(maintenance)
            await everything(maintenance)
        assert [line["log_level"] for line in logs if line["event"] == "media_store_of_another_deployment"] == ["error"]
        assert maintenance.warning == (
            f"The media store belongs to another deployment ({await ledger.deployment()}; the ledger is of"
            f" {await other.deployment()}): set the media store of this deployment, or delete"
            f" {media.deployment_location} if this ledger is to take over the store."
            " Meanwhile no unused source is deleted."
        )
    assert list(await media.list_sources()) == [key]
    assert await media.has_source(key)


async def test_first_sweep_claims_the_store_and_deletes_nothing(
    ledger: SqliteLedger, media: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = await put(media, f"{new_upload_id()}.1")
    claimed, claim = asyncio.Event(), media.claim_deployment

    async def tell(mine: str) -> str:
        theirs = await claim(mine)
        claimed.set()
        return theirs

    monkeypatch.setattr(media, "claim_deployment", tell)
    maintenance = maintenance_of(ledger, media)
    async with maintenance.running():
        await claimed.wait()
    assert await claim("other") == await ledger.deployment()
    assert list(await media.list_sources()) == [unknown]


async def test_unknown_source_is_deleted_after_a_day(
    ledger: SqliteLedger, media: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown, wanted = await put(media, f"{new_upload_id()}.1"), await queued_with_source(ledger, media)
    maintenance = maintenance_of(ledger, media)
    await everything(maintenance)
    assert list(await media.list_sources()) == sorted((unknown, wanted))
    monkeypatch.setattr(module, "_STALE_SECONDS", -3600.0)
    await everything(maintenance)
    assert list(await media.list_sources()) == [wanted]
    assert maintenance.warning is None


async def test_source_of_a_later_attempt_than_the_ledger_has_is_deleted_after_a_day(
    ledger: SqliteLedger, media: MediaStore
) -> None:
    """As after a backup of the ledger was restored."""
    over = await failed_with_source(ledger, media, retryable=False)
    later = await put(media, over.removesuffix(".1") + ".2")
    await everything(maintenance_of(ledger, media))
    assert list(await media.list_sources()) == [later]


async def stored_result(media: MediaStore, folder: str, tmp_path: Path) -> None:
    (tmp_path / "picture.webp").write_bytes(b"result")
    await media.store(tmp_path / "picture.webp", folder, "picture.webp", lambda _: None)


@pytest.mark.parametrize("ends_by", ["lease", "reservation"])
async def test_older_ledger_that_thinks_an_upload_never_arrived_deletes_neither_its_source_nor_its_results(
    ledger: SqliteLedger, media: MediaStore, tmp_path: Path, ends_by: str
) -> None:
    upload = await created(ledger, Clock())
    if ends_by == "lease":
        await ledger.claim(upload.id, holder="web", seconds=0.001)
    # As it went on after the backup, or on the primary that this replica was behind:
    key = await put(media, source_key(upload))
    await stored_result(media, upload.id, tmp_path)
    maintenance = maintenance_of(ledger, media, reservation_seconds=-1.0)
    await eventually(lambda: failed_by(ledger, maintenance, upload.id), what="the end of what the ledger knows")
    await everything(maintenance)
    assert list(await media.list_sources()) == [key]
    assert await media.has_results(upload.id)


async def failed_by(ledger: SqliteLedger, maintenance: Maintenance, upload_id: str) -> bool:
    await maintenance._expire_leases()
    return (await ledger.get(upload_id)).stage is Stage.FAILED


async def test_source_of_a_later_upload_with_the_same_id_is_kept_by_an_older_ledger(
    media: MediaStore, tmp_path: Path
) -> None:
    async with opened(tmp_path / "older.sqlite3", ago=3600.0) as ledger:
        over = await failed_with_source(ledger, media, retryable=False)
        await media.discard_source(over)
        later = await put(media, over)  # the ledger knows only that the earlier one has ended
        await everything(maintenance_of(ledger, media))
    assert list(await media.list_sources()) == [later]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


async def test_redis_of_an_hour_ago_deletes_nothing_that_came_since(
    redis: RunningRedis, media: MediaStore, tmp_path: Path
) -> None:
    """A backup that was restored, or a replica that was behind and is the primary now."""
    client = connect(redis.url)
    await client.flushall()
    ledger = RedisLedger(connect(redis.url))
    assert await foreign_media(ledger, media) is None
    reserved = await created(ledger, Clock())
    retried = await failed_with_source(ledger, media, retryable=True)
    copy = {key: await client.dump(key) or b"" for key in await client.keys()}
    # What happened since is in the media store only.
    await stored_result(media, reserved.id, tmp_path)
    sources = [await put(media, source_key(reserved)), retried]
    sources += [await queued_with_source(ledger, media), await put(media, retried.removesuffix(".1") + ".2")]
    await client.flushall()
    for key, content in copy.items():
        await client.restore(key, 0, content)
    assert await foreign_media(ledger, media) is None
    await everything(maintenance_of(ledger, media, reservation_seconds=-1.0))
    assert await media.has_results(reserved.id)
    assert list(await media.list_sources()) == sorted(sources)
    await ledger.close()
    await client.aclose()


async def test_damaged_record_keeps_its_source(ledger: SqliteLedger, media: MediaStore) -> None:
    key = await queued_with_source(ledger, media)
    damage = "UPDATE uploads SET record = x'ff'"
    await ledger.database.write(lambda connection: connection.execute(damage).rowcount)
    assert await ledger.claim_next(holder="w", seconds=5) is None
    await everything(maintenance_of(ledger, media))
    assert list(await media.list_sources()) == [key]


async def test_source_left_by_a_crash_after_the_end_is_deleted_soon(ledger: SqliteLedger, media: MediaStore) -> None:
    over = await failed_with_source(ledger, media, retryable=False)
    kept = await failed_with_source(ledger, media, retryable=True)
    await maintenance_of(ledger, media)._tidy()
    assert over != kept
    assert list(await media.list_sources()) == [kept]


@pytest.mark.usefixtures("a_day_passes")
async def test_old_source_of_an_expired_upload_is_deleted_with_it(ledger: SqliteLedger, media: MediaStore) -> None:
    await failed_with_source(ledger, media, retryable=True)
    wanted = await queued_with_source(ledger, media)
    await maintenance_of(ledger, media, retention_seconds=-1.0)._expire()
    assert list(await media.list_sources()) == [wanted]
