"""A damaged plan, result or upload stops no other film, and the film itself fails or is planned again."""

from __future__ import annotations

import orjson
import pytest
from roomcast.errors import UnreadableRecord
from roomcast.ledger.contract import Ledger
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.codec import encode_record

from tests.integration.contract.test_unreadable_records import GARBAGE, put
from tests.support.film_tasks import next_task, no_task, plan_of, planned, result_of
from tests.support.ledgers import LEASE, Clock
from tests.support.segment_files import sound_of


async def put_field(ledger: Ledger, upload_id: str, name: str, value: bytes) -> None:
    """Store the bytes as the film's plan, sound or failure."""
    if isinstance(ledger, SqliteLedger):
        query = f"UPDATE segment_plans SET {name} = ? WHERE upload_id = ?"  # noqa: S608 - the names are below
        await ledger.database.write(lambda connection: connection.execute(query, (value, upload_id)).rowcount)
    else:
        assert isinstance(ledger, RedisLedger)
        await ledger.scripts.command("HSET", ledger.scripts.key("plan", upload_id), name, value)


async def put_result(ledger: Ledger, upload_id: str, number: int, value: bytes) -> None:
    if isinstance(ledger, SqliteLedger):
        query = "UPDATE segment_tasks SET result = ? WHERE upload_id = ? AND number = ?"
        await ledger.database.write(lambda connection: connection.execute(query, (value, upload_id, number)).rowcount)
    else:
        assert isinstance(ledger, RedisLedger)
        await ledger.scripts.command("HSET", ledger.scripts.key("tasks", upload_id), f"{number}:result", value)


@pytest.mark.parametrize(
    "body",
    [GARBAGE, b"", orjson.dumps({"id": "plan-1", "encoder": "encoder-1"}), encode_record(plan_of(0))],
    ids=["garbage", "empty", "incomplete", "without its tasks"],
)
async def test_film_with_a_damaged_plan_fails_at_its_next_claim_and_is_planned_again(
    ledger: Ledger, clock: Clock, body: bytes
) -> None:
    bad, good = await planned(ledger, clock, plan_of()), await planned(ledger, clock, plan_of(), "bob")
    await put_field(ledger, bad.upload.id, "plan", body)
    assert (await next_task(ledger)).upload.id == good.upload.id, "it is not in the way of others"
    progress = await ledger.segments.progress(bad.upload.id)
    assert progress
    assert progress.failure
    assert (progress.failure.code, progress.running, progress.waiting) == ("UNREADABLE_RECORD", 0, 0)
    with pytest.raises(UnreadableRecord):
        await ledger.segments.board(bad.upload.id)
    board = await ledger.segments.plan(bad.lease, plan_of())
    assert (board.plan, board.failure, board.failures) == (plan_of(), None, {})
    assert (await next_task(ledger, upload_id=bad.upload.id)).task.number == 0


async def test_damaged_results_and_sound_are_made_again_when_the_film_is_planned_again(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await planned(ledger, clock, plan_of(audio=True))
    tasks = [await next_task(ledger) for _ in range(3)]
    for task in tasks:
        await ledger.segments.complete(task.lease, result_of(task))
    await ledger.segments.set_audio(claim.lease, sound_of(plan_of(), 3, complete=True))
    await put_result(ledger, claim.upload.id, 1, GARBAGE)
    await put_field(ledger, claim.upload.id, "audio", GARBAGE)
    with pytest.raises(UnreadableRecord):
        await ledger.segments.board(claim.upload.id)
    before = await ledger.segments.progress(claim.upload.id)
    board = await ledger.segments.plan(claim.lease, plan_of(audio=True))
    after = await ledger.segments.progress(claim.upload.id)
    assert before
    assert after
    assert (set(board.results), board.audio) == ({0, 2}, None)
    assert (after.done, after.waiting, after.version > before.version) == (2, 2, True)
    assert before.done_weight - after.done_weight == tasks[1].task.weight
    again = await next_task(ledger)
    assert again.task.number == 1
    await ledger.segments.complete(again.lease, result_of(again))
    await ledger.segments.set_audio(claim.lease, sound_of(plan_of(), 1))
    assert len((await ledger.segments.plan(claim.lease, plan_of(audio=True))).results) == 3


async def test_damaged_failure_is_reported_and_forgotten_when_the_film_is_planned_again(
    ledger: Ledger, clock: Clock
) -> None:
    claim = await planned(ledger, clock, plan_of())
    await put_field(ledger, claim.upload.id, "failure", GARBAGE)
    assert await no_task(ledger)
    with pytest.raises(UnreadableRecord):
        await ledger.segments.progress(claim.upload.id)
    assert (await ledger.segments.plan(claim.lease, plan_of())).failure is None
    await next_task(ledger)


async def test_film_whose_upload_is_damaged_gets_no_task_and_ends_with_it(ledger: Ledger, clock: Clock) -> None:
    bad = await planned(ledger, clock, plan_of())
    if isinstance(ledger, SqliteLedger):
        ledger._live.clear()  # as after a restart: else the process still knows what it is working on
    await put(ledger, bad.upload.id, GARBAGE)
    assert await no_task(ledger)
    clock.now += 3600 + LEASE
    (settled,) = await ledger.expire_leases(reserved_seconds=1e12)
    assert settled.error
    assert settled.error["code"] == "UNREADABLE_RECORD"
    assert await ledger.segments.progress(bad.upload.id) is None
