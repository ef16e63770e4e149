"""The contract of `roomcast.assemblies.store.RecordStore` and of records beside new uploads, for every ledger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.assemblies.store import Record, RecordStore
from roomcast.errors import IdTaken, NotFound, TooMany, WrongState
from roomcast.ledger.contract import Ledger, RecordConflict
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.codec import ExtensibleRecord

from tests.support.ledgers import Clock, fresh

LEASE = 30.0
TABLE = "deliveries"


@dataclass(frozen=True)
class Leaf(ExtensibleRecord):
    text: str


@dataclass(frozen=True, kw_only=True)
class Note(Record):
    leaves: tuple[Leaf, ...] = ()


def note(name: str, clock: Clock, *, group: str = "", due_in: float | None = None) -> Note:
    clock.now += 0.25
    due_at = None if due_in is None else clock.now + due_in
    return Note(id=name, group=group, created_at=clock.now, due_at=due_at, leaves=(Leaf("é"), Leaf("")))


def store_of(ledger: Ledger, clock: Clock) -> RecordStore[Note]:
    """The notes beside a ledger, in a table that it has."""
    if isinstance(ledger, RedisLedger):
        return RedisRecordStore(ledger.scripts, TABLE, Note, ttl=3600)
    assert isinstance(ledger, SqliteLedger)
    return SqliteRecordStore(ledger.database, TABLE, Note, clock=clock)


@pytest.fixture
def records(ledger: Ledger, clock: Clock) -> RecordStore[Note]:
    return store_of(ledger, clock)


async def test_an_added_record_is_read_back(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock, group="g", due_in=5)
    assert await records.add(one)
    assert await records.get("a") == one


async def test_a_known_id_is_not_added_again(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock)
    await records.add(one)
    assert not await records.add(replace(one, leaves=()))
    assert await records.get("a") == one


async def test_an_unknown_record_is_not_found(records: RecordStore[Note], clock: Clock) -> None:
    with pytest.raises(NotFound):
        await records.get("a")
    with pytest.raises(NotFound):
        await records.update("a", lambda one: one)
    assert await records.in_group("g") == []
    await records.delete("a")


async def test_a_group_is_newest_first(records: RecordStore[Note], clock: Clock) -> None:
    for name in ("a", "b", "c"):
        await records.add(note(name, clock, group="g"))
    await records.add(note("d", clock, group="another"))
    assert [one.id for one in await records.in_group("g")] == ["c", "b", "a"]


async def test_a_record_that_changes_its_group_leaves_the_old_one(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock, group="g"))
    await records.update("a", lambda one: replace(one, group="h"))
    assert await records.in_group("g") == []
    assert [one.id for one in await records.in_group("h")] == ["a"]


async def test_an_update_is_the_next_revision(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock))
    after = await records.update("a", lambda one: replace(one, leaves=(Leaf("x"),)))
    assert (after.leaves, after.revision) == ((Leaf("x"),), 2)
    assert await records.get("a") == after


async def test_an_update_without_a_change_is_no_revision(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock)
    await records.add(one)
    assert await records.update("a", replace) == one


async def test_an_update_that_raises_changes_nothing(records: RecordStore[Note], clock: Clock) -> None:
    def refuse(_: Note) -> Note:
        raise WrongState("no")

    one = note("a", clock)
    await records.add(one)
    with pytest.raises(WrongState):
        await records.update("a", refuse)
    assert await records.get("a") == one


async def test_concurrent_updates_all_count(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(replace(note("a", clock), leaves=()))

    async def grow(number: int) -> None:
        await records.update("a", lambda one: replace(one, leaves=(*one.leaves, Leaf(str(number)))))

    await asyncio.gather(*(grow(number) for number in range(20)))
    after = await records.get("a")
    assert {leaf.text for leaf in after.leaves} == {str(number) for number in range(20)}
    assert after.revision == 21


async def test_a_due_record_is_claimed_once_and_due_again_later(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("later", clock, due_in=100))
    await records.add(note("now", clock, due_in=0))
    await records.add(note("never", clock))
    (taken,) = await records.claim_due(limit=10, seconds=LEASE)
    assert (taken.id, taken.revision, taken.due_at) == ("now", 2, clock.now + LEASE)
    assert await records.get("now") == taken
    assert await records.claim_due(limit=10, seconds=LEASE) == []
    clock.now += LEASE
    assert [one.id for one in await records.claim_due(limit=10, seconds=LEASE)] == ["now"]


async def test_the_longest_due_come_first_up_to_the_limit(records: RecordStore[Note], clock: Clock) -> None:
    for name, ago in (("a", -1.0), ("b", -9.0), ("c", -5.0)):
        await records.add(note(name, clock, due_in=ago))
    assert [one.id for one in await records.claim_due(limit=2, seconds=LEASE)] == ["b", "c"]
    assert [one.id for one in await records.claim_due(limit=2, seconds=LEASE)] == ["a"]


async def test_concurrent_claims_share_the_due_records(records: RecordStore[Note], clock: Clock) -> None:
    names = [f"{number}" for number in range(12)]
    for name in names:
        await records.add(note(name, clock, due_in=0))
    hands = await asyncio.gather(*(records.claim_due(limit=5, seconds=LEASE) for _ in range(4)))
    assert sorted(one.id for hand in hands for one in hand) == sorted(names)


async def test_a_record_without_a_due_time_is_never_due(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock, due_in=0))
    await records.update("a", lambda one: replace(one, due_at=None))
    assert await records.claim_due(limit=10, seconds=LEASE) == []
    await records.update("a", lambda one: replace(one, due_at=clock.now))
    assert [one.id for one in await records.claim_due(limit=10, seconds=LEASE)] == ["a"]


async def test_a_deleted_record_leaves_its_group_and_the_due_ones(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock, group="g", due_in=0))
    await records.delete("a")
    with pytest.raises(NotFound):
        await records.get("a")
    assert await records.in_group("g") == []
    assert await records.claim_due(limit=10, seconds=LEASE) == []


async def test_records_outlive_the_process_that_wrote_them(tmp_path: Path, clock: Clock) -> None:
    one = note("a", clock, group="g", due_in=0)
    for known in (True, False):
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)
        assert await store_of(ledger, clock).add(one) == known
        await ledger.close()


async def test_uploads_and_records_are_created_together(
    ledger: Ledger, records: RecordStore[Note], clock: Clock
) -> None:
    upload, one, other = fresh(clock), note("a", clock, group="g", due_in=0), note("b", clock)
    await ledger.create([upload], records=[records.as_write(one), records.as_write(other)])
    assert await ledger.get(upload.id) == upload
    assert [await records.get("a"), await records.get("b")] == [one, other]
    assert await records.in_group("g") == [one]
    assert [due.id for due in await records.claim_due(limit=9, seconds=LEASE)] == ["a"]


async def test_a_record_is_updated_together_with_a_new_upload(
    ledger: Ledger, records: RecordStore[Note], clock: Clock
) -> None:
    one = note("a", clock, group="g")
    await records.add(one)
    after = replace(one, group="h", leaves=(), revision=2)
    await ledger.create([fresh(clock)], records=[records.as_write(after)])
    assert await records.get("a") == after
    assert (await records.in_group("g"), await records.in_group("h")) == ([], [after])


@pytest.mark.parametrize("revision", [1, 3])
async def test_a_record_that_has_changed_refuses_the_upload_and_every_other_record(
    ledger: Ledger, records: RecordStore[Note], clock: Clock, revision: int
) -> None:
    one, other, upload = note("a", clock), note("b", clock), fresh(clock)
    await records.add(one)
    stale = replace(one, leaves=(), revision=revision)
    with pytest.raises(RecordConflict):
        await ledger.create([upload], records=[records.as_write(other), records.as_write(stale)])
    assert await records.get("a") == one
    for missing in (records.get("b"), ledger.get(upload.id)):
        with pytest.raises(NotFound):
            await missing


async def test_an_upload_that_is_refused_leaves_no_record(
    ledger: Ledger, records: RecordStore[Note], clock: Clock
) -> None:
    known, new = fresh(clock), fresh(clock)
    await ledger.create([known])
    for other, in_flight, refusal in ((known, 3, IdTaken), (fresh(clock), 2, TooMany)):
        with pytest.raises(refusal):
            await ledger.create([new, other], in_flight=in_flight, records=[records.as_write(note("a", clock))])
    for missing in (records.get("a"), ledger.get(new.id)):
        with pytest.raises(NotFound):
            await missing
