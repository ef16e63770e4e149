"""Maintenance of a media store: which sources it deletes, and that those of another ledger stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from roomcast.dispatch.in_process import InProcessDispatch
from roomcast.errors import RoomcastError, StorageError
from roomcast.ledger.contract import CLEANUP_SECONDS, CleanupInProgress, Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.media.contract import MediaStore
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.s3.store import S3MediaStore
from roomcast.runtime.redis_connection import connect
from roomcast.services import deletion
from roomcast.services import maintenance as module
from roomcast.services.backends import Backends, foreign_media
from roomcast.services.deletion import Deletion, clean_up_after_end
from roomcast.services.maintenance import Maintenance
from roomcast.settings.retention import RetentionSettings
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Retention, Upload, error_body, new_upload_id, source_key, source_owner
from roomcast.uploads.transitions import cancelled
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.ledgers import SOURCE, STEPS, Clock, claimed, created, failed, queued
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
    claim = await ledger.claim_next(holder="w", seconds=3600)
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
    redis: RunningRedis, media: MediaStore, tmp_path: Path, patient_redis: None
) -> None:
    """A backup that was restored, or a replica that was behind and is the primary now."""
    client = connect(redis.url)
    await client.flushall()
    ledger = RedisLedger(connect(redis.url))
    assert await foreign_media(ledger, media) is None
    reserved = await created(ledger, Clock())
    retried = await failed_with_source(ledger, media, retryable=True)
    copy = {key: content for key in await client.keys() if (content := await client.dump(key))}  # none has expired
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
    expired = await failed_with_source(ledger, media, retryable=True)
    await clean_up_after_end(ledger, media, await ledger.get(source_owner(expired)))
    wanted = await queued_with_source(ledger, media)
    await maintenance_of(ledger, media, retention_seconds=-1.0)._expire()
    assert list(await media.list_sources()) == [wanted]


class RefusesDeletions:
    """A fault of a media store: it refuses the next deletions."""

    def __init__(self, media: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        for name in ("discard_results", "discard_source"):
            monkeypatch.setattr(media, name, partial(self._delete, getattr(media, name)))

    async def _delete(self, delete: Callable[[str], Awaitable[None]], name: str) -> None:
        if self.left:
            self.left -= 1
            raise StorageError("The bucket could not be reached.")
        await delete(name)


async def failed_after_storing(ledger: SqliteLedger, clock: Clock) -> Upload:
    return await failed(ledger, clock, stage=Stage.STORING)


async def cancelled_by_its_worker(ledger: SqliteLedger, clock: Clock) -> Upload:
    claim = await claimed(ledger, clock)
    return await ledger.append(claim.upload.id, cancelled(Stage.STORING), token=claim.lease.token)


async def lost_with_every_worker(ledger: SqliteLedger, clock: Clock) -> Upload:
    upload_id = (await queued(ledger, clock)).id
    while (upload := await ledger.get(upload_id)).stage is not Stage.FAILED:
        claim = await ledger.claim_next(holder="w", seconds=1)
        assert claim is not None
        await ledger.append(upload_id, Change(Entered(Stage.PROBING), "Probing"), token=claim.lease.token)
        clock.now += 2
        await ledger.expire_leases(reserved_seconds=1e6)
    return upload


@pytest.mark.parametrize("end", [failed_after_storing, cancelled_by_its_worker, lost_with_every_worker])
async def test_results_of_a_failed_or_cancelled_upload_are_deleted_although_the_store_refused_at_first(
    media: MediaStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[SqliteLedger, Clock], Awaitable[Upload]],
) -> None:
    clock, refuses = Clock(), RefusesDeletions(media, monkeypatch)
    ledger = SqliteLedger(tmp_path / "cleanups.sqlite3", clock=clock)
    maintenance = maintenance_of(ledger, media)
    clean_up = partial(maintenance._clean_up, Deletion(ledger, media, None, None))  # type: ignore[arg-type]
    refuses.left = 2
    upload = await end(ledger, clock)
    await stored_result(media, upload.id, tmp_path)
    with capture_logs() as logs:
        await clean_up_after_end(ledger, media, upload)
        assert await media.has_results(upload.id)
        clock.now += CLEANUP_SECONDS
        await clean_up()
        clock.now += CLEANUP_SECONDS - 1
        await clean_up()
        assert await media.has_results(upload.id), "it is tried again a minute later"
        assert await ledger.prune(retention_seconds=1) == []
    assert {line["reason"] for line in logs if line["event"] == "cleanup_failed"} == {
        "The bucket could not be reached."
    }
    refuses.left = 0
    clock.now += 1
    await clean_up()
    assert not await media.has_results(upload.id)
    assert await ledger.claim_cleanup() is None
    assert await ledger.prune(retention_seconds=0) == [upload.id]
    await ledger.close()


async def test_cleanup_that_one_upload_cannot_have_delays_no_other(
    media: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, refuses = Clock(), RefusesDeletions(media, monkeypatch)
    ledger = SqliteLedger(tmp_path / "cleanups.sqlite3", clock=clock)
    uploads = [await failed_after_storing(ledger, clock) for _ in range(3)]
    for upload in uploads:
        await stored_result(media, upload.id, tmp_path)
    refuses.left = 1
    clock.now += 1
    await maintenance_of(ledger, media)._clean_up(Deletion(ledger, media, None, None))  # type: ignore[arg-type]
    assert [await media.has_results(upload.id) for upload in uploads] == [True, False, False]
    await ledger.close()


async def test_cleanup_is_stopped_before_its_claim_ends(
    ledger: SqliteLedger, media: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    upload = await failed_after_storing(ledger, Clock())
    monkeypatch.setattr(media, "discard_results", hangs)
    monkeypatch.setattr(deletion, "_CLEANUP_FRACTION", 0.0)
    with capture_logs() as logs:
        await clean_up_after_end(ledger, media, upload)
    assert [line["reason"] for line in logs if line["event"] == "cleanup_failed"] == ["It took too long."]
    with pytest.raises(CleanupInProgress):
        await ledger.reopen(upload.id, source_stored=True)


async def test_source_of_a_cancelled_upload_is_gone_although_another_process_has_claimed_its_cleanup(
    ledger: SqliteLedger, media: MediaStore, tmp_path: Path
) -> None:
    upload = await created(ledger, Clock())
    await put(media, source_key(upload))
    await stored_result(media, upload.id, tmp_path)
    upload = await ledger.request_cancel(upload.id, cancelled(upload.stage))
    assert await ledger.claim_cleanup()
    await clean_up_after_end(ledger, media, upload)
    assert list(await media.list_sources()) == []
    assert await media.has_results(upload.id), "a later attempt may have made them"


async def test_cleanup_claimed_by_an_earlier_process_is_due_when_the_file_is_opened_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "cleanups.sqlite3") as ledger:
        upload = await failed_after_storing(ledger, Clock())
        assert await ledger.claim_cleanup()
    async with opened(tmp_path / "cleanups.sqlite3") as again:
        due = await again.claim_cleanup()
        assert due is not None
        assert due.upload.id == upload.id


@pytest.mark.parametrize("first", ["segments", "source"])
async def test_segments_and_source_of_a_completed_film_expire_each_at_its_time(
    media: MediaStore, tmp_path: Path, first: str
) -> None:
    clock = Clock()
    ledger = SqliteLedger(tmp_path / "cleanups.sqlite3", clock=clock)
    clean_up = partial(maintenance_of(ledger, media)._clean_up, Deletion(ledger, media, None, None))  # type: ignore[arg-type]
    times = {first: 10.0, ({"segments", "source"} - {first}).pop(): 20.0}
    claim = await claimed(ledger, clock)
    upload_id, segments = claim.upload.id, f"{claim.upload.id}/segments"
    source = await put(media, source_key(claim.upload))
    for folder in (upload_id, segments):
        await stored_result(media, folder, tmp_path)
    for stage in STEPS:
        done = stage is Stage.DONE
        retention = Retention(source=times["source"], results=30.0) if done else Retention()
        until = clock.now + times["segments"] if done else None
        change = Change(Entered(stage), "", retention=retention, segments_expire_at=until)
        upload = await ledger.append(upload_id, change, token=claim.lease.token)
    left = []
    for _ in range(4):
        await clean_up_after_end(ledger, media, upload)
        await clean_up()
        stored = {"source": await media.has_source(source), "segments": await media.has_results(segments)}
        left.append({name for name, is_stored in stored.items() if is_stored})
        assert await media.has_results(upload_id)
        clock.now += 9.5
    both, second = {"source", "segments"}, {"source", "segments"} - {first}
    assert left == [both, both, second, set()]
    assert await ledger.claim_cleanup() is not None, "the results expire, too"
    await ledger.close()
