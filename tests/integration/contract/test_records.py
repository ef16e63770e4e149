"""The contract of `roomcast.assemblies.store.Records`, held by every implementation."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from roomcast.assemblies.redis_store import RedisRecordStore
from roomcast.assemblies.sqlite_store import SqliteFile, SqliteRecordStore
from roomcast.assemblies.store import Record, RecordStore
from roomcast.errors import NotFound, WrongState
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Scripts

from tests.integration.contract.ledgers import Clock

LEASE = 30.0


@dataclass(frozen=True)
class Leaf:
    text: str


@dataclass(frozen=True, kw_only=True)
class Note(Record):
    leaves: tuple[Leaf, ...] = ()


def note(name: str, clock: Clock, *, group: str = "", due_in: float | None = None) -> Note:
    clock.now += 0.25
    due_at = None if due_in is None else clock.now + due_in
    return Note(id=name, group=group, created_at=clock.now, due_at=due_at, leaves=(Leaf("é"), Leaf("")))


@pytest.fixture(params=["sqlite", "redis"])
async def records(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[RecordStore[Note]]:
    if request.param == "sqlite":
        file = SqliteFile(tmp_path / "records.sqlite3")
        yield SqliteRecordStore(file, "notes", Note, clock=clock)
        await file.close()
    else:
        client = connect(request.getfixturevalue("redis").url)
        yield RedisRecordStore(
            Scripts(client), "notes", Note, keep_seconds=3600, namespace=secrets.token_hex(4), clock=clock
        )
        await client.aclose()


async def test_what_is_kept_is_read_back_whole(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock, group="g", due_in=5)
    assert await records.add(one)
    assert await records.get("a") == one


async def test_an_id_that_is_known_is_not_kept_again(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock)
    await records.add(one)
    assert not await records.add(replace(one, leaves=()))
    assert await records.get("a") == one


async def test_what_is_not_there_is_not_found(records: RecordStore[Note], clock: Clock) -> None:
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


async def test_a_change_is_a_revision_further(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock))
    after = await records.update("a", lambda one: replace(one, leaves=(Leaf("x"),)))
    assert (after.leaves, after.revision) == ((Leaf("x"),), 2)
    assert await records.get("a") == after


async def test_a_change_that_changes_nothing_is_none(records: RecordStore[Note], clock: Clock) -> None:
    one = note("a", clock)
    await records.add(one)
    assert await records.update("a", replace) == one


async def test_a_change_that_refuses_changes_nothing(records: RecordStore[Note], clock: Clock) -> None:
    def refuse(_: Note) -> Note:
        raise WrongState("no")

    one = note("a", clock)
    await records.add(one)
    with pytest.raises(WrongState):
        await records.update("a", refuse)
    assert await records.get("a") == one


async def test_changes_at_once_all_count(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(replace(note("a", clock), leaves=()))

    async def grow(number: int) -> None:
        await records.update("a", lambda one: replace(one, leaves=(*one.leaves, Leaf(str(number)))))

    await asyncio.gather(*(grow(number) for number in range(20)))
    after = await records.get("a")
    assert {leaf.text for leaf in after.leaves} == {str(number) for number in range(20)}
    assert after.revision == 21


async def test_what_is_due_is_taken_by_one_and_due_again_later(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("later", clock, due_in=100))
    await records.add(note("now", clock, due_in=0))
    await records.add(note("never", clock))
    (taken,) = await records.claim_due(limit=10, seconds=LEASE)
    assert (taken.id, taken.revision, taken.due_at) == ("now", 2, clock.now + LEASE)
    assert await records.get("now") == taken
    assert await records.claim_due(limit=10, seconds=LEASE) == []
    clock.now += LEASE
    assert [one.id for one in await records.claim_due(limit=10, seconds=LEASE)] == ["now"]


async def test_the_longest_due_come_first_and_no_more_than_asked_for(records: RecordStore[Note], clock: Clock) -> None:
    for name, ago in (("a", -1.0), ("b", -9.0), ("c", -5.0)):
        await records.add(note(name, clock, due_in=ago))
    assert [one.id for one in await records.claim_due(limit=2, seconds=LEASE)] == ["b", "c"]
    assert [one.id for one in await records.claim_due(limit=2, seconds=LEASE)] == ["a"]


async def test_several_who_take_at_once_share_what_is_due(records: RecordStore[Note], clock: Clock) -> None:
    names = [f"{number}" for number in range(12)]
    for name in names:
        await records.add(note(name, clock, due_in=0))
    hands = await asyncio.gather(*(records.claim_due(limit=5, seconds=LEASE) for _ in range(4)))
    assert sorted(one.id for hand in hands for one in hand) == sorted(names)


async def test_what_need_not_be_looked_at_any_more_is_not_due(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock, due_in=0))
    await records.update("a", lambda one: replace(one, due_at=None))
    assert await records.claim_due(limit=10, seconds=LEASE) == []
    await records.update("a", lambda one: replace(one, due_at=clock.now))
    assert [one.id for one in await records.claim_due(limit=10, seconds=LEASE)] == ["a"]


async def test_what_was_dropped_is_nowhere(records: RecordStore[Note], clock: Clock) -> None:
    await records.add(note("a", clock, group="g", due_in=0))
    await records.delete("a")
    with pytest.raises(NotFound):
        await records.get("a")
    assert await records.in_group("g") == []
    assert await records.claim_due(limit=10, seconds=LEASE) == []


async def test_records_outlive_the_process_that_wrote_them(tmp_path: Path, clock: Clock) -> None:
    one = note("a", clock, group="g", due_in=0)
    for known in (True, False):
        file = SqliteFile(tmp_path / "records.sqlite3")
        records = SqliteRecordStore(file, "notes", Note, clock=clock)
        assert await records.add(one) == known
        await file.close()
