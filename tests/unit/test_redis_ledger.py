"""What only a ledger of many processes has to stand: races between them, and death between any two commands."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from redis.crc import key_slot

from server.upload import redis_index, redis_uploads
from server.upload.errors import LeaseLost, NotFound, RoomcastError, StorageError
from server.upload.events import Change, Tick, Upload
from server.upload.ledger import EVENTS_KEPT
from server.upload.lifecycle import Cancelled, Entered, Stage
from server.upload.redis_connection import connect
from server.upload.redis_index import CHECK_SECONDS
from server.upload.redis_ledger import RedisLedger
from server.upload.redis_scripts import Call, Script, Scripts
from tests.contract.ledgers import LEASE, SOURCE, Clock, claimed, created, finish, fresh, queued
from tests.harness import eventually
from tests.redis_server import RunningRedis, free_port

CANCELLED = Change(Cancelled(), "")
SCRIPTS = {
    value for module in (redis_index, redis_uploads) for value in vars(module).values() if isinstance(value, Script)
}
PROBING = Change(Entered(Stage.PROBING), "Reading")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


class Processes:
    """Ledgers over the same uploads, each as in a process of its own. `clock` is their time, if they are given one."""

    def __init__(self, redis: RunningRedis, clock: Clock | None) -> None:
        self._redis = redis
        self._clock = clock
        self._namespace = secrets.token_hex(4)
        self._opened: list[RedisLedger] = []

    def start(self) -> RedisLedger:
        client = connect(self._redis.url)
        ledger = RedisLedger(client, namespace=self._namespace, clock=self._clock)
        self._opened.append(ledger)
        return ledger

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def processes(redis: RunningRedis, clock: Clock) -> AsyncIterator[Processes]:
    started = Processes(redis, clock)
    yield started
    await started.close()


@pytest.fixture
def ledger(processes: Processes) -> RedisLedger:
    return processes.start()


# Races


async def test_each_upload_is_claimed_once_by_many_processes(redis: RunningRedis) -> None:
    processes = Processes(redis, None)
    first, second = processes.start(), processes.start()
    uploads = [await queued(first, Clock(), owner) for owner in ("ada", "bob", "cy") * 8]

    async def work(ledger: RedisLedger) -> list[str]:
        done = []
        while claim := await ledger.claim_next(holder="w", seconds=LEASE):
            done.append(claim.upload.id)
            await finish(ledger, claim)
        return done

    async def upkeep() -> None:
        while await first.unfinished():
            await asyncio.gather(first.reap(reserved_before=0), second.reap(reserved_before=0))

    keeping_up = asyncio.create_task(upkeep())
    done = await asyncio.gather(*(work(ledger) for ledger in (first, second) * 4))
    await keeping_up
    assert sorted(itertools.chain.from_iterable(done)) == sorted(upload.id for upload in uploads)
    for upload in uploads:
        replay = await second.events(upload.id)
        assert (replay.upload.stage, replay.upload.state.attempt, replay.upload.seq) == (Stage.DONE, 1, 9)
    await processes.close()


async def test_an_event_that_another_process_made_meanwhile_is_built_upon(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    claim = await claimed(ledger, clock)
    other = processes.start()
    await other.append(claim.upload.id, PROBING, token=claim.lease.token)
    done = await ledger.append(claim.upload.id, Change(Entered(Stage.COMPRESSING), ""), token=claim.lease.token)
    assert (done.stage, done.seq) == (Stage.COMPRESSING, 5)
    await other.tick(claim.upload.id, Tick(0.5), token=claim.lease.token)
    assert (await ledger.append(done.id, Change(Entered(Stage.THUMBNAILS), ""), token=claim.lease.token)).seq == 6


async def test_concurrent_events_have_no_gap(processes: Processes, ledger: RedisLedger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    other = processes.start()

    async def churn(one: RedisLedger) -> None:
        for _ in range(20):
            with suppress(RoomcastError):
                await one.request_cancel(upload.id, CANCELLED)
            with suppress(RoomcastError):
                await one.reopen(upload.id, source_kept=True)

    await asyncio.gather(churn(ledger), churn(other), churn(ledger))
    replay = await ledger.events(upload.id)
    assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))
    assert await other.queue() == ([upload.id] if replay.upload.stage is Stage.QUEUED else [])


async def test_a_holder_that_was_away_too_long_is_fenced(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    stale = await claimed(ledger, clock)
    clock.now += LEASE
    other = processes.start()
    [upload] = await other.reap(reserved_before=0)
    again = await other.claim_next(holder="w", seconds=LEASE)
    assert again is not None
    for write in (
        ledger.append(upload.id, PROBING, token=stale.lease.token),
        ledger.renew(stale.lease, seconds=LEASE),
        ledger.release(stale.lease, text=""),
    ):
        with pytest.raises(LeaseLost):
            await write
    await ledger.tick(upload.id, Tick(0.9), token=stale.lease.token)
    assert (await other.get(upload.id)).seq == again.upload.seq
    assert (await finish(other, again)).stage is Stage.DONE


async def test_ticks_that_come_together_share_a_round_trip_and_the_latest_wins(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [await claimed(ledger, clock) for _ in range(5)]
    trips: list[int] = []
    run_all = Scripts.run_all

    async def counted(self: Scripts, calls: Sequence[Call]) -> list[Any]:
        trips.append(len(calls))
        return await run_all(self, calls)

    monkeypatch.setattr(Scripts, "run_all", counted)
    ticks = [(claim, fraction) for fraction in (0.1, 0.2, 0.3) for claim in claims]
    await asyncio.gather(
        *(ledger.tick(claim.upload.id, Tick(fraction), token=claim.lease.token) for claim, fraction in ticks)
    )
    assert trips == [5]
    for claim in claims:
        assert (await ledger.get(claim.upload.id)).state.stage_progress == pytest.approx(30)


async def test_leases_go_by_redis_time_however_wrong_this_machines_is(
    redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes(redis, None)
    right, wrong = processes.start(), processes.start()
    claim = await claimed(right, Clock())
    monkeypatch.setattr("server.upload.redis_scripts.time.time", lambda: 0.0)
    assert await wrong.reap(reserved_before=0) == []
    probing = await wrong.append(claim.upload.id, PROBING, token=claim.lease.token)
    assert probing.updated_at == pytest.approx(claim.lease.expires_at - LEASE, abs=LEASE)
    await processes.close()


# Death between any two commands


class Died(Exception):
    """The process is gone; nothing catches this."""


class Mortal:
    """Lets so many round trips through, and none after them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        run, run_all = Scripts.run, Scripts.run_all

        async def mortal_run(scripts: Scripts, call: Call) -> Any:
            self._live()
            return await run(scripts, call)

        async def mortal_run_all(scripts: Scripts, calls: Sequence[Call]) -> list[Any]:
            if calls:
                self._live()
            return await run_all(scripts, calls)

        monkeypatch.setattr(Scripts, "run", mortal_run)
        monkeypatch.setattr(Scripts, "run_all", mortal_run_all)

    def dies_after(self, round_trips: int) -> None:
        self._left = round_trips

    def lives_on(self) -> None:
        self._left = None

    def _live(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died


async def life(ledger: RedisLedger, clock: Clock, upload: Upload) -> None:
    """Everything that can happen to an upload."""
    await ledger.create([upload])
    arriving = await ledger.claim(upload.id, holder="web", seconds=LEASE)
    queued_change = Change(Entered(Stage.QUEUED), "", source=SOURCE)
    await ledger.append(upload.id, queued_change, token=arriving.lease.token)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    await ledger.tick(upload.id, Tick(0.5), token=claim.lease.token)
    await ledger.renew(claim.lease, seconds=LEASE)
    await ledger.release(claim.lease, text="")
    await ledger.request_cancel(upload.id, CANCELLED)
    await ledger.reopen(upload.id, source_kept=True)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    clock.now += LEASE
    await ledger.reap(reserved_before=0)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    await finish(ledger, claim)
    clock.now += 10
    assert upload.id in await ledger.expire(clock.now)


async def test_a_death_between_any_two_commands_loses_nothing_and_does_nothing_twice(
    processes: Processes, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mortal = Mortal(monkeypatch)
    died_at = 0
    for died_at in range(100):
        upload = fresh(clock)
        mortal.dies_after(died_at)
        try:
            await life(processes.start(), clock, upload)
            break  # it got to the end
        except Died:
            mortal.lives_on()
        await picked_up(processes.start(), clock, upload)
    mortal.lives_on()
    assert died_at > 30


async def picked_up(ledger: RedisLedger, clock: Clock, upload: Upload) -> None:
    """Other processes go on: whatever was left must come to its end, and leave no trace in the indexes."""
    for _ in range(2):
        clock.now += CHECK_SECONDS + LEASE
        await ledger.reap(reserved_before=clock.now)
    with suppress(NotFound):
        waits = (await ledger.get(upload.id)).stage is Stage.QUEUED
        assert await ledger.queue() == [upload.id] * waits
        if waits:
            claim = await ledger.claim_next(holder="w", seconds=LEASE)
            assert claim is not None
            assert (await finish(ledger, claim)).stage is Stage.DONE
        replay = await ledger.events(upload.id)
        assert replay.upload.state.terminal
        assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))
        assert sum(event["stage"] == "done" for event in replay.events) <= 1
    assert (await ledger.queue(), await ledger.unfinished()) == ([], [])
    await ledger.create([fresh(clock)], in_flight=1)
    clock.now += CHECK_SECONDS
    await ledger.reap(reserved_before=clock.now)
    clock.now += 1
    await ledger.expire(clock.now)
    assert (await ledger.page("ada")).uploads == []
    assert await keys_left(ledger) == 0


async def keys_left(ledger: RedisLedger) -> int:
    """Keys in Redis under the ledger's name, apart from one that goes by itself."""
    pattern = ledger._index.channel.partition("{")[0] + "*"
    found: list[bytes] = await ledger._scripts.command("KEYS", pattern)
    return len([key for key in found if not key.endswith(b":told")])


async def test_a_queued_upload_that_is_missing_from_the_queue_is_put_back(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await created(ledger, clock)

    async def fail(_: object) -> None:
        raise StorageError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(ledger._index, "place", fail)
        assert (await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE))).seq == 2
    assert await ledger.queue() == []
    clock.now += CHECK_SECONDS
    assert await ledger.reap(reserved_before=0) == []
    assert await ledger.queue() == [upload.id]


async def test_what_was_taken_but_not_claimed_is_put_back_once(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    upload = await queued(ledger, clock)
    assert await ledger._index.take(seconds=LEASE) == upload.id
    assert await ledger.reap(reserved_before=0) == []
    assert await ledger.queue() == [], "whoever took it may still be about to claim it"
    clock.now += LEASE
    await asyncio.gather(ledger.reap(reserved_before=0), processes.start().reap(reserved_before=0))
    assert await ledger.queue() == [upload.id]
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    assert claim.upload.state.attempt == 1


async def test_an_announcement_without_an_upload_counts_until_it_is_dropped(ledger: RedisLedger, clock: Clock) -> None:
    ghost = fresh(clock)
    deadline = await ledger._index.announce([ghost], in_flight=None)
    await ledger.reap(reserved_before=clock.now + 1)
    assert await ledger.unfinished() == [ghost.id], "it may still be created"
    clock.now += CHECK_SECONDS
    await ledger.reap(reserved_before=0)
    assert await ledger.unfinished() == []
    with pytest.raises(StorageError):
        await ledger._uploads.create([ghost], deadline=deadline)
    with pytest.raises(NotFound):
        await ledger.get(ghost.id)


# What Redis is made to keep


async def test_an_upload_that_ended_goes_by_itself_and_one_that_is_reopened_stays(
    ledger: RedisLedger, clock: Clock
) -> None:
    upload = await queued(ledger, clock)
    keys = ledger._uploads.keys(upload.id)
    assert [await ledger._scripts.command("TTL", key) for key in keys] == [-1, -1]
    await ledger.request_cancel(upload.id, CANCELLED)
    assert all([86400 < await ledger._scripts.command("TTL", key) <= 86400 + 3600 for key in keys])
    await ledger.reopen(upload.id, source_kept=True)
    assert [await ledger._scripts.command("TTL", key) for key in keys] == [-1, -1]


async def test_the_log_is_a_capped_stream_whose_ids_are_the_seq(ledger: RedisLedger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    while upload.seq < EVENTS_KEPT + 3:
        await ledger.request_cancel(upload.id, CANCELLED)
        upload = await ledger.reopen(upload.id, source_kept=True)
    entries = await ledger._scripts.command("XRANGE", ledger._uploads.keys(upload.id)[1], "-", "+")
    assert [entry[0] for entry in entries] == [
        f"{seq}-0".encode() for seq in range(upload.seq - EVENTS_KEPT + 1, upload.seq + 1)
    ]


# Slots of a cluster


async def test_the_keys_of_every_script_share_a_slot(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(monkeypatch)
    await life(ledger, clock, fresh(clock, "an owner with {braces}"))
    assert calls
    for call in calls:
        assert len({key_slot(key.encode()) for key in call.keys}) == 1


async def test_a_cluster_runs_every_script(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis itself refuses, in a cluster, a script that touches keys of two slots, declared or not."""
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with RunningRedis(tmp_path_factory.mktemp("cluster"), options=options) as node:
        ledger = RedisLedger(connect(node.url), clock=clock)
        await ledger._scripts.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)

        async def ready() -> bool:
            return b"cluster_state:ok" in str(await ledger._scripts.command("CLUSTER", "INFO")).encode()

        await eventually(ready)
        calls = recorded(monkeypatch)
        later = await queued(ledger, clock, "bob")
        await ledger.standing(since=0, failures=1)
        await ledger.queue()
        await ledger.get(later.id)
        await ledger.events(later.id)
        await ledger.positions([later.id])
        await ledger.request_cancel(later.id, CANCELLED)
        await life(ledger, clock, fresh(clock, "an owner with {braces}"))
        assert {call.script for call in calls} == SCRIPTS
        await ledger.close()


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Every call of a script from now on."""
    calls: list[Call] = []
    command: Callable[..., Any] = Call.command

    def noted(self: Call, *, known: bool) -> Any:
        calls.append(self)
        return command(self, known=known)

    monkeypatch.setattr(Call, "command", noted)
    return calls
