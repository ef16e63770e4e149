"""The Redis ledger under races between processes: the lists in Redis always match the uploads (`redis_lists.py`)."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from roomcast.errors import LeaseLost, RoomcastError
from roomcast.ledger.administration import LogLine
from roomcast.ledger.contract import EVENT_LOG_LENGTH, IncompatibleSchema
from roomcast.ledger.redis import progress_batcher, scripts
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Call, Script
from roomcast.uploads.lifecycle import Cancelled, Deleted, Entered, Progressed, Retrying, Stage
from roomcast.uploads.model import Change, Tick, TusState, Upload
from roomcast.uploads.transitions import paused
from structlog.testing import capture_logs

from tests.support.film_tasks import film_life, next_task, plan_of, planned
from tests.support.ledgers import LEASE, SOURCE, Clock, claimed, created, finish, fresh, queued
from tests.support.redis_lists import RedisLists
from tests.support.redis_server import RunningRedis

pytestmark = pytest.mark.usefixtures("patient_redis")

T = TypeVar("T")

CANCELLED = Change(Cancelled(), "")
SCRIPTS = {
    value
    for name, value in vars(scripts).items()
    if isinstance(value, Script) and not name.startswith(("RECORD_", "RENAME_"))
}
LONG_LEASE = 600.0
"""For tests of which no lease may expire, however long their process stands still between two steps."""
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
        self.namespace = secrets.token_hex(4)
        self.client = connect(redis.url)
        self._opened: list[RedisLedger] = []

    def start(self) -> RedisLedger:
        ledger = RedisLedger(connect(self._redis.url), namespace=self.namespace, clock=self._clock)
        self._opened.append(ledger)
        return ledger

    def lists(self) -> RedisLists:
        return RedisLists(self.client, self.namespace)

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()
        await self.client.aclose()


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
        while claim := await ledger.claim_next(holder="w", seconds=LONG_LEASE):
            done.append(claim.upload.id)
            await finish(ledger, claim)
        return done

    async def upkeep() -> None:
        while await first.active_ids():
            await asyncio.gather(
                first.expire_leases(reserved_seconds=1e12), second.expire_leases(reserved_seconds=1e12)
            )

    keeping_up = asyncio.create_task(upkeep())
    done = await asyncio.gather(*(work(ledger) for ledger in (first, second) * 4))
    await keeping_up
    assert sorted(itertools.chain.from_iterable(done)) == sorted(upload.id for upload in uploads)
    for upload in uploads:
        replay = await second.events(upload.id)
        assert (replay.upload.stage, replay.upload.state.attempt, replay.upload.seq) == (Stage.DONE, 1, 9)
    await processes.close()


async def test_an_event_is_computed_again_after_another_process_made_one(
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
                await one.reopen(upload.id, source_stored=True)

    await asyncio.gather(churn(ledger), churn(other), churn(ledger))
    replay = await ledger.events(upload.id)
    assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))
    assert await other.queue() == ([upload.id] if replay.upload.stage is Stage.QUEUED else [])


async def test_a_holder_whose_lease_expired_cannot_write(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    stale = await claimed(ledger, clock)
    clock.now += LEASE
    other = processes.start()
    [upload] = await other.expire_leases(reserved_seconds=1e12)
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


async def test_leases_expire_by_the_time_of_redis_if_the_local_clock_is_wrong(redis: RunningRedis) -> None:
    processes = Processes(redis, None)
    right, wrong = processes.start(), processes.start()
    await queued(right, Clock())
    claim = await right.claim_next(holder="w", seconds=LONG_LEASE)
    assert claim is not None
    unix_time.sync(0.0)
    assert await wrong.expire_leases(reserved_seconds=1e12) == []
    probing = await wrong.append(claim.upload.id, PROBING, token=claim.lease.token)
    assert probing.updated_at == pytest.approx(claim.lease.expires_at - LONG_LEASE, abs=LONG_LEASE)
    await processes.close()


async def test_a_process_whose_clock_is_wrong_reads_the_time_of_redis_before_its_first_upload(
    redis: RunningRedis,
) -> None:
    processes = Processes(redis, None)
    ledger = processes.start()
    unix_time.sync(0.0)
    await ledger.prepare()
    assert unix_time() == pytest.approx(time.time(), abs=60.0)  # this machine's Redis has this machine's clock
    await processes.close()


# Lists that agree with the uploads


async def life(ledger: RedisLedger, clock: Clock, upload: Upload) -> None:
    """Everything that can happen to an upload."""
    await ledger.create([upload], in_flight=10)
    arriving = await ledger.claim(upload.id, holder="web", seconds=LEASE)
    pieces = Change(Progressed(0.0), "", resumable=TusState("filename Zg=="))
    await ledger.append(upload.id, pieces, token=arriving.lease.token)
    await ledger.append(upload.id, paused(upload, 0), token=arriving.lease.token)
    await ledger.append(upload.id, pieces)
    arriving = await ledger.claim(upload.id, holder="web", seconds=LEASE)
    arriving = await ledger.claim(upload.id, holder="web", seconds=LEASE, steal=True)
    await ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE), token=arriving.lease.token)
    assert (await ledger.get(upload.id)).queue_position == 1
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    await ledger.tick(upload.id, Tick(0.5), token=claim.lease.token)
    await ledger.renew(claim.lease, seconds=LEASE)
    await ledger.release(claim.lease, text="")
    await ledger.request_cancel(upload.id, CANCELLED)
    await ledger.reopen(upload.id, source_stored=True)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    clock.now += LEASE
    await ledger.expire_leases(reserved_seconds=1e12)
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    assert [one.upload.id for one in (await ledger.stats(since=0, failures=1)).leased] == [upload.id]
    await film_life(ledger, claim)
    await finish(ledger, claim)
    assert [one.id for one in (await ledger.page(upload.owner)).uploads] == [upload.id]
    clock.now += 10
    assert await ledger.prune(retention_seconds=0) == [upload.id]


async def test_the_lists_match_the_uploads_after_every_script_and_no_key_is_left(
    processes: Processes, ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = processes.lists()
    ran = lists.check_after_every_script(monkeypatch)
    other = await queued(ledger, clock, "bob")
    await ledger.request_cancel(other.id, CANCELLED)
    reserved = await created(ledger, clock, "bob")
    clock.now += 1
    [stalled] = await ledger.expire_leases(reserved_seconds=0)
    assert stalled.id == reserved.id
    again = await ledger.reopen(stalled.id, source_stored=False)
    assert await ledger.last_seqs([again.id]) == {again.id: 3}
    await ledger.queue()
    await ledger.request_cancel(again.id, CANCELLED)
    waiting = await queued(ledger, clock)
    await ledger.administration.pause("template", waiting.template, by="root")
    await ledger.administration.pauses()
    await ledger.administration.add_log_lines([LogLine(waiting.id, 1.0, "info", "event", "p")])
    assert (await ledger.administration.upload_history(waiting.id)).lines
    assert await ledger.administration.history(since=0)
    not_started = await queued(ledger, clock, "bob")
    await ledger.request_cancel(not_started.id, CANCELLED)
    await ledger.administration.resume("template", waiting.template)
    await ledger.request_cancel(waiting.id, CANCELLED)
    for upload_id in (other.id, again.id, not_started.id, waiting.id):
        assert await ledger.claim_cleanup(upload_id)
        lists.cleaned.add(upload_id)
        await ledger.set_cleanup(upload_id, None)
    clock.now += 1
    await ledger.prune(retention_seconds=0)
    deleted = await queued(ledger, clock, "bob")
    await ledger.request_cancel(deleted.id, CANCELLED)
    await ledger.append(deleted.id, Change(Deleted(), ""))
    assert await ledger.claim_cleanup(deleted.id)
    await ledger.set_cleanup(deleted.id, clock.now + 1)
    await ledger.remove(deleted.id)
    await life(ledger, clock, fresh(clock, "an owner with {braces}:and|bars"))
    assert set(ran) == {script.sha for script in SCRIPTS}
    assert await lists.names() == set()


async def delayed(ledger: RedisLedger, clock: Clock) -> Upload:
    """A retry that is due in ten seconds."""
    claim = await claimed(ledger, clock)
    later = Change(Retrying(), "soon", not_before=clock.now + 10)
    return await ledger.append(claim.upload.id, later, token=claim.lease.token)


async def test_a_delayed_retry_joins_the_queue_when_it_is_due(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    upload = await delayed(ledger, clock)
    lists = processes.lists()
    assert {"delayed"} == await lists.names() & {"delayed", "queue:ada", "heads", "head-of", "waiting", "templates"}
    clock.now += 11
    assert await ledger.queue() == [upload.id]
    await lists.check()


async def test_a_delayed_retry_that_is_cancelled_leaves_every_list(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    upload = await delayed(ledger, clock)
    await ledger.request_cancel(upload.id, CANCELLED)
    await processes.lists().check()
    clock.now += 11
    assert await ledger.queue() == []


async def test_the_lists_match_the_uploads_after_races(processes: Processes, ledger: RedisLedger, clock: Clock) -> None:
    uploads = [await queued(ledger, clock, owner) for owner in ("ada", "bob") * 4]
    other = processes.start()

    async def churn(one: RedisLedger, upload: Upload) -> None:
        for _ in range(5):
            with suppress(RoomcastError):
                await one.request_cancel(upload.id, CANCELLED)
            with suppress(RoomcastError):
                await one.reopen(upload.id, source_stored=True)
            if claim := await one.claim_next(holder="w", seconds=LEASE):
                with suppress(RoomcastError):
                    await one.release(claim.lease, text="")

    await asyncio.gather(*(churn(one, upload) for upload in uploads for one in (ledger, other)))
    await processes.lists().check()
    for upload in uploads:
        replay = await ledger.events(upload.id)
        assert [event["seq"] for event in replay.events] == list(range(1, replay.upload.seq + 1))


async def test_films_whose_keys_were_evicted_or_whose_upload_an_earlier_version_has_ended_get_no_tasks(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    evicted, ended, without_plan, stays = [await planned(ledger, clock, plan_of()) for _ in range(4)]
    await processes.lists().evict([evicted.upload.id])
    await ledger.scripts.command("HSET", ledger.scripts.key("upload", ended.upload.id), "stage", "done")
    await ledger.scripts.command("DEL", ledger.scripts.key("plan", without_plan.upload.id))
    assert await ledger.segments.progress(without_plan.upload.id) is None
    assert (await next_task(ledger)).upload.id == stays.upload.id
    names = {name for name in await processes.lists().names() if name.partition(":")[0] in ("plan", "tasks")}
    assert names == {f"plan:{stays.upload.id}", f"tasks:{stays.upload.id}"}, "nothing of the others is left"
    assert len((await ledger.segments.plan(without_plan.lease, plan_of())).plan.tasks) == 4
    await ledger.scripts.command("DEL", ledger.scripts.key("films"))
    assert await ledger.segments.progress(stays.upload.id) is None, "or its coordinator would wait for ever"


async def test_evicted_uploads_are_skipped_and_removed_from_the_lists(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    reserved = await created(ledger, clock)
    worked_on = await claimed(ledger, clock)
    done = await finish(ledger, await claimed(ledger, clock))
    gone = [reserved.id, worked_on.upload.id, done.id, (await queued(ledger, clock)).id]
    stays = await queued(ledger, clock)
    lists = processes.lists()
    await lists.evict(gone)
    assert [one.id for one in (await ledger.page("ada")).uploads] == [stays.id]
    assert (await ledger.stats(since=0, failures=1)).leased == []
    claim = await ledger.claim_next(holder="w", seconds=LEASE)
    assert claim is not None
    assert claim.upload.id == stays.id
    clock.now += LEASE - 1
    await ledger.renew(claim.lease, seconds=LEASE)
    clock.now += 1
    assert await ledger.expire_leases(reserved_seconds=0) == []
    await finish(ledger, claim)
    clock.now += 1
    assert set(await ledger.prune(retention_seconds=0)) == {done.id, stays.id}
    assert await lists.names() == set()


async def test_an_evicted_upload_does_not_block_the_queue(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    gone = await queued(ledger, clock)
    lists = processes.lists()
    await lists.evict([gone.id])
    await processes.client.delete(ledger.scripts.key("entries"))
    assert await ledger.claim_next(holder="w", seconds=LEASE) is None


async def test_an_upload_is_created_under_the_id_of_one_that_was_evicted(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    upload = await created(ledger, clock)
    await processes.client.delete(ledger.scripts.key("upload", upload.id))
    await ledger.create([replace(upload, owner="bob")])
    assert (await ledger.page("ada")).uploads == []
    await processes.lists().check()


# Trips to Redis


async def test_concurrent_ticks_share_a_script_and_the_latest_wins(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [await claimed(ledger, clock) for _ in range(5)]
    calls = recorded(monkeypatch)
    ticks = [(claim, fraction) for fraction in (0.1, 0.2, 0.3) for claim in claims]
    await asyncio.gather(
        *(ledger.tick(claim.upload.id, Tick(fraction), token=claim.lease.token) for claim, fraction in ticks)
    )
    assert [call.script for call in calls] == [scripts.TICK]
    for claim in claims:
        assert (await ledger.get(claim.upload.id)).state.stage_progress == pytest.approx(30)


async def test_more_ticks_than_one_script_takes_are_all_written(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_batcher, "_MAX_BATCH", 2)
    claims = [await claimed(ledger, clock) for _ in range(5)]
    await asyncio.gather(*(ledger.tick(one.upload.id, Tick(0.5), token=one.lease.token) for one in claims))
    for claim in claims:
        assert (await ledger.get(claim.upload.id)).state.stage_progress == pytest.approx(50)


async def test_each_operation_runs_the_expected_scripts(
    ledger: RedisLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(monkeypatch)

    async def scripts_of(work: Awaitable[T]) -> tuple[list[Script], T]:
        calls.clear()
        result = await work
        return [call.script for call in calls], result

    upload = fresh(clock)
    assert (await scripts_of(ledger.create([upload])))[0] == [scripts.CREATE]
    ran, arriving = await scripts_of(ledger.claim(upload.id, holder="web", seconds=LEASE))
    assert ran == [scripts.CLAIM]
    queueing = ledger.append(upload.id, Change(Entered(Stage.QUEUED), "", source=SOURCE), token=arriving.lease.token)
    assert (await scripts_of(queueing))[0] == [scripts.APPEND_AND_MOVE]
    ran, claim = await scripts_of(ledger.claim_next(holder="w", seconds=LEASE))
    assert ran == [scripts.CLAIM_NEXT] * 2
    assert claim is not None
    assert (await scripts_of(ledger.append(upload.id, PROBING, token=claim.lease.token)))[0] == [scripts.APPEND]
    assert (await scripts_of(ledger.tick(upload.id, Tick(0.5), token=claim.lease.token)))[0] == [scripts.TICK]
    assert (await scripts_of(ledger.renew(claim.lease, seconds=LEASE)))[0] == [scripts.RENEW]
    assert (await scripts_of(ledger.release(claim.lease, text="")))[0] == [scripts.APPEND_AND_MOVE]
    assert (await scripts_of(ledger.get(upload.id)))[0] == [scripts.READ]
    assert (await scripts_of(ledger.events(upload.id)))[0] == [scripts.READ]
    assert (await scripts_of(ledger.page("ada")))[0] == [scripts.READ_PAGE]
    cancelling = ledger.request_cancel(upload.id, CANCELLED)
    assert (await scripts_of(cancelling))[0] == [scripts.REQUEST_CANCEL, scripts.APPEND_AND_MOVE]
    reopening = ledger.reopen(upload.id, source_stored=True)
    assert (await scripts_of(reopening))[0] == [scripts.LOAD, scripts.APPEND_AND_MOVE]
    clock.now += 1
    assert (await scripts_of(ledger.expire_leases(reserved_seconds=0)))[0] == [scripts.EXPIRED]


# What Redis is made to keep


async def test_the_log_is_a_capped_stream_whose_ids_are_the_seq(ledger: RedisLedger, clock: Clock) -> None:
    upload = await queued(ledger, clock)
    while upload.seq < EVENT_LOG_LENGTH + 3:
        await ledger.request_cancel(upload.id, CANCELLED)
        upload = await ledger.reopen(upload.id, source_stored=True)
    entries = await ledger.scripts.command("XRANGE", ledger.scripts.key("events", upload.id), "-", "+")
    assert [entry[0] for entry in entries] == [
        f"{seq}-0".encode() for seq in range(upload.seq - EVENT_LOG_LENGTH + 1, upload.seq + 1)
    ]


# Uploads of an earlier version


async def test_unfinished_uploads_in_the_two_slots_of_an_earlier_version_are_refused(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    unfinished = f"{processes.namespace}:{{index}}:unfinished"
    await processes.client.zadd(unfinished, {"upload_a": 1.0, "upload_b": 2.0})
    for _ in range(2):
        with pytest.raises(IncompatibleSchema, match="unfinished uploads of an earlier version"):
            await ledger.create([fresh(clock)])
    await processes.client.delete(unfinished)
    upload = await created(ledger, clock)
    assert await ledger.active_ids() == [upload.id]


async def test_ended_uploads_of_an_earlier_version_are_ignored_with_a_warning(
    processes: Processes, ledger: RedisLedger, clock: Clock
) -> None:
    await processes.client.hset(f"{processes.namespace}:{{index}}:known", "upload_a", "{}")
    with capture_logs() as logs:
        await created(ledger, clock)
        await created(ledger, clock)
    assert [entry["event"] for entry in logs] == ["earlier_uploads_ignored"]


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Every call of a script from now on."""
    calls: list[Call] = []
    command: Callable[..., Any] = Call.command

    def noted(self: Call, *, known: bool) -> Any:
        calls.append(self)
        return command(self, known=known)

    monkeypatch.setattr(Call, "command", noted)
    return calls
