"""One damaged or newer record stops nobody else, in every ledger."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from roomcast.assemblies.model import Submission, SubmittedFile
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import RecordStore
from roomcast.errors import UnreadableRecord
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Upload
from roomcast.uploads.transitions import paused
from structlog.testing import capture_logs

from tests.integration.contract.test_ledger import RecordingObserver
from tests.support.harness import eventually
from tests.support.ledgers import LEASE, STEPS, Clock, claimed, created, finish, fresh, queued

GARBAGE = b'{"id": "\xff'


async def stored(ledger: Ledger, upload_id: str) -> bytes:
    if isinstance(ledger, SqliteLedger):
        query = "SELECT record FROM uploads WHERE id = ?"
        return await ledger.database.read(lambda connection: connection.execute(query, (upload_id,)).fetchone()[0])
    assert isinstance(ledger, RedisLedger)
    return bytes(await ledger.scripts.command("HGET", ledger.scripts.key("upload", upload_id), "record"))


async def put(ledger: Ledger, upload_id: str, record: bytes) -> None:
    """Store the bytes as the record of the upload."""
    await _put(ledger, "uploads", upload_id, ("upload", upload_id), record)


async def put_record(ledger: Ledger, name: str, record: bytes) -> None:
    """Store the bytes as the record of the submission."""
    await _put(ledger, "submissions", name, ("submissions", "one", name), record)


async def _put(ledger: Ledger, table: str, name: str, key: tuple[str, ...], record: bytes) -> None:
    """Store the bytes as a record: in this table of SQLite, or under this key of Redis."""
    if isinstance(ledger, SqliteLedger):
        query = f"UPDATE {table} SET record = ? WHERE id = ?"  # noqa: S608 - the names are above
        await ledger.database.write(lambda connection: connection.execute(query, (record, name)).rowcount)
    else:
        assert isinstance(ledger, RedisLedger)
        await ledger.scripts.command("HSET", ledger.scripts.key(*key), "record", record)


async def change(ledger: Ledger, upload_id: str, **fields: Any) -> None:
    """Change fields of the stored record."""
    raw = orjson.loads(await stored(ledger, upload_id))
    await put(ledger, upload_id, orjson.dumps({**raw, **fields}))


async def set_aside(ledger: Ledger, upload_id: str) -> bytes | None:
    """The damaged record of an upload that was set aside."""
    if isinstance(ledger, SqliteLedger):
        query = "SELECT record FROM unreadable_records WHERE id = ?"
        found = await ledger.database.read(lambda connection: connection.execute(query, (upload_id,)).fetchone())
        return bytes(found[0]) if found else None
    assert isinstance(ledger, RedisLedger)
    found = await ledger.scripts.command("HGET", ledger.scripts.key("upload", upload_id), "unreadable")
    return bytes(found) if found else None


async def test_damaged_record_at_the_head_of_the_queue_is_set_aside_and_its_room_is_told(
    ledger: Ledger, clock: Clock
) -> None:
    bad, good = await queued(ledger, clock, "ada"), await queued(ledger, clock, "bob")
    await put(ledger, bad.id, GARBAGE)
    observer = RecordingObserver()
    ledger.add_listener(observer)
    await ledger.subscribe(bad.id)
    assert await ledger.queue() == [bad.id, good.id]
    with capture_logs() as logs:
        claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim
    assert claim.upload.id == good.id
    assert [line["upload"] for line in logs if line["event"] == "record_unreadable"] == [bad.id]
    assert await ledger.queue() == []
    await eventually(lambda: any(notice.message["uploadId"] == bad.id for notice in observer.notices))
    replay = await ledger.events(bad.id, since=bad.seq)
    assert [(event["seq"], event["stage"], event["error"]["code"]) for event in replay.events] == [
        (bad.seq + 1, "failed", "UNREADABLE_RECORD")
    ]
    heard = [notice.message for notice in observer.notices if notice.message["uploadId"] == bad.id]
    assert [message["status"] for message in heard] == ["error"]
    assert await set_aside(ledger, bad.id) == GARBAGE
    stats = await ledger.stats(since=0, failures=9)
    assert (stats.outcomes[Stage.FAILED], [upload.id for upload in stats.failures]) == (1, [bad.id])
    again = await ledger.reopen(bad.id, source_stored=False)
    assert (again.stage, again.state.attempt > bad.state.attempt) == (Stage.RECEIVING, True)


async def test_every_reader_answers_beside_damaged_records(ledger: Ledger, clock: Clock) -> None:
    at_work, done, failed = [await claimed(ledger, clock) for _ in range(3)]
    await finish(ledger, done)
    error = {"code": "INTERNAL", "message": "", "step": "fetching", "retryable": True}
    await ledger.append(failed.upload.id, Change(Failed(), "", error=error), token=failed.lease.token)  # type: ignore[arg-type]
    waiting, reserved, good = (
        await queued(ledger, clock),
        await created(ledger, clock),
        await queued(ledger, clock, "bob"),
    )
    bad = [at_work.upload, done.upload, failed.upload, waiting, reserved]
    for upload in bad:
        await put(ledger, upload.id, GARBAGE)
    assert await ledger.get(good.id)
    shown = {upload.id: upload for upload in (await ledger.page(None)).uploads}
    assert shown.keys() == {upload.id for upload in [*bad, good]}
    assert {upload.id for upload in (await ledger.page("ada", limit=2)).uploads} <= shown.keys()
    for upload in bad:
        one = await ledger.get(upload.id)
        if upload is not at_work.upload or isinstance(ledger, RedisLedger):
            assert one.error
            assert (one.owner, one.error["code"]) == ("ada", "UNREADABLE_RECORD")
    stats = await ledger.stats(since=0, failures=9)
    assert (sum(stats.waiting.values()), stats.active) == (2, 4)
    assert set(await ledger.active_ids()) == {at_work.upload.id, waiting.id, reserved.id, good.id}
    assert await ledger.queue() == [good.id, waiting.id]
    assert len((await ledger.events(done.upload.id, since=1)).events) == len(STEPS) + 2


async def test_damaged_records_do_not_keep_leases_reservations_and_retention_from_ending(
    ledger: Ledger, clock: Clock
) -> None:
    bad, good = await claimed(ledger, clock), await claimed(ledger, clock)
    reserved, other = await created(ledger, clock), await created(ledger, clock)
    if isinstance(ledger, SqliteLedger):
        ledger._live.clear()  # as after a restart: else the process still knows what it is working on
    for upload_id in (bad.upload.id, reserved.id):
        await put(ledger, upload_id, GARBAGE)
    clock.now += LEASE + 1
    settled = {upload.id: upload for upload in await ledger.expire_leases(reserved_seconds=0)}
    assert settled.keys() == {bad.upload.id, good.upload.id, reserved.id, other.id}
    assert settled[good.upload.id].stage is Stage.QUEUED
    for upload_id in (bad.upload.id, reserved.id):
        error = settled[upload_id].error
        assert error
        assert error["code"] == "UNREADABLE_RECORD"
    assert await ledger.expire_leases(reserved_seconds=0) == []
    clock.now += 1
    while due := await ledger.claim_cleanup():
        await ledger.set_cleanup(due.upload.id, None)
    assert set(await ledger.prune(retention_seconds=0)) == {bad.upload.id, reserved.id, other.id}


@pytest.mark.parametrize(
    "fields",
    [
        {"state": {"stage": "polishing"}},
        {"state": {"stage": "done", "progress": 100.0}},
        {"seq": 1},
        {"id": "upload_other"},
    ],
)
async def test_record_that_contradicts_the_queue_is_set_aside(
    ledger: Ledger, clock: Clock, fields: dict[str, Any]
) -> None:
    bad, good = await queued(ledger, clock, "ada"), await queued(ledger, clock, "bob")
    await change(ledger, bad.id, **fields)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim
    assert claim.upload.id == good.id
    error = (await ledger.get(bad.id)).error
    assert error
    assert error["code"] == "UNREADABLE_RECORD"


async def test_unknown_fields_survive_an_upload_s_life(ledger: Ledger, clock: Clock) -> None:
    upload = await created(ledger, clock)

    async def add() -> None:
        raw = orjson.loads(await stored(ledger, upload.id))
        await change(ledger, upload.id, new={"a": [1]}, state={**raw["state"], "new": 1})

    async def check() -> None:
        raw = orjson.loads(await stored(ledger, upload.id))
        assert (raw["new"], raw["state"]["new"]) == ({"a": [1]}, 1)

    await add()
    claim = await ledger.claim(upload.id, holder="web", seconds=LEASE)
    await ledger.append(upload.id, paused(upload, 3), token=claim.lease.token)
    await check()
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), ""))
    await check()
    first = await ledger.claim_next(holder="w", seconds=LEASE)
    assert first
    await check()
    clock.now += LEASE + 1
    await ledger.expire_leases(reserved_seconds=1e12)
    await check()
    second = await ledger.claim_next(holder="w", seconds=LEASE)
    assert second
    await finish(ledger, second)
    await check()


async def test_stage_of_a_newer_worker_is_shown_and_its_lost_upload_is_queued_again(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await claimed(ledger, clock)
    if isinstance(ledger, SqliteLedger):
        ledger._live.clear()
    raw = orjson.loads(await stored(ledger, claim.upload.id))
    await change(ledger, claim.upload.id, state={**raw["state"], "stage": "polishing"})
    shown = await ledger.get(claim.upload.id)
    assert (shown.stage, shown.state.status) == ("polishing", "compressing")
    assert [one.upload.stage for one in (await ledger.stats(since=0, failures=0)).leased] == ["polishing"]
    clock.now += LEASE + 1
    assert [one.stage for one in await ledger.expire_leases(reserved_seconds=1e12)] == [Stage.QUEUED]


def submissions(ledger: Ledger, clock: Clock) -> RecordStore[Submission]:
    if isinstance(ledger, RedisLedger):
        return RedisRecordStore(ledger.scripts, "submissions", Submission, ttl=3600)
    assert isinstance(ledger, SqliteLedger)
    return SqliteRecordStore(ledger.database, "submissions", Submission, clock=clock)


def submission(name: str, clock: Clock) -> Submission:
    return Submission(
        id=name,
        group="g",
        created_at=clock.now,
        due_at=clock.now,
        owner="ada",
        files=(SubmittedFile("upload_a", "file"),),
        closed=True,
    )


async def test_damaged_record_beside_the_uploads_is_logged_and_never_due_again(ledger: Ledger, clock: Clock) -> None:
    records = submissions(ledger, clock)
    for name in ("bad", "good"):
        assert await records.add(submission(name, clock))
    await put_record(ledger, "bad", GARBAGE)
    with capture_logs() as logs:
        assert [one.id for one in await records.claim_due(limit=9, seconds=1)] == ["good"]
    assert [line["table"] for line in logs if line["event"] == "record_unreadable"] == ["submissions"]
    clock.now += 5
    with capture_logs() as logs:
        assert [one.id for one in await records.claim_due(limit=9, seconds=1)] == ["good"]
    assert logs == []
    assert [one.id for one in await records.in_group("g")] == ["good"]
    with pytest.raises(UnreadableRecord):
        await records.get("bad")
    assert not await records.add(submission("bad", clock))
    await records.delete("bad")
    assert await records.add(submission("bad", clock))


async def test_unknown_fields_of_a_submission_survive_its_updates(ledger: Ledger, clock: Clock) -> None:
    records = submissions(ledger, clock)
    raw = orjson.loads(records.as_write(submission("one", clock)).body)
    await records.add(submission("one", clock))
    await put_record(ledger, "one", orjson.dumps({**raw, "new": 1, "files": [{**raw["files"][0], "new": 2}]}))
    (claimed_one,) = await records.claim_due(limit=1, seconds=1)
    after = await records.update("one", lambda found: Submission(**{**vars(found), "closed": False}))
    found = await records.get("one")
    for one in (claimed_one, after, found):
        assert (one.unknown_fields, one.files[0].unknown_fields) == ({"new": 1}, {"new": 2})


async def test_form_with_a_damaged_submission_refuses_a_file_and_others_are_created(
    ledger: Ledger, clock: Clock
) -> None:
    records = submissions(ledger, clock)
    await records.add(submission("bad", clock))
    await put_record(ledger, "bad", GARBAGE)
    upload: Upload = fresh(clock)
    await ledger.create([upload], records=[records.as_write(submission("other", clock))])
    assert await ledger.get(upload.id) == upload
