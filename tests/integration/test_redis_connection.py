"""Connections to a Redis that is unreachable or does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import Unavailable
from roomcast.ledger.lease_tokens import Lease
from roomcast.ledger.redis import pubsub
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.ledger.segments import TaskLease
from roomcast.runtime import redis_lua
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import CALL_SECONDS, MAX_CONCURRENT_CALLS, Scripts
from roomcast.segments.plan import TaskResult
from roomcast.uploads.lifecycle import Failed, Stage
from roomcast.uploads.model import Change, Tick, new_upload_id
from roomcast.uploads.transitions import cancelled

from tests.support.film_tasks import ENCODER, plan_of, planned, result_of
from tests.support.ledgers import Clock, created, fresh
from tests.support.redis_server import RunningRedis

UNKNOWN = new_upload_id()

CALLS: dict[str, Callable[[RedisLedger], Awaitable[object]]] = {
    "create": lambda ledger: ledger.create([fresh(Clock())]),
    "get": lambda ledger: ledger.get(UNKNOWN),
    "events": lambda ledger: ledger.events(UNKNOWN),
    "page": lambda ledger: ledger.page("ada"),
    "queue": lambda ledger: ledger.queue(),
    "active_ids": lambda ledger: ledger.active_ids(),
    "append": lambda ledger: ledger.append(UNKNOWN, Change(Failed(), "")),
    "tick": lambda ledger: ledger.tick(UNKNOWN, Tick(0.5), token="t"),
    "claim": lambda ledger: ledger.claim(UNKNOWN, holder="w", seconds=5),
    "claim_next": lambda ledger: ledger.claim_next(holder="w", seconds=5),
    "renew": lambda ledger: ledger.renew(Lease(UNKNOWN, "t", 0), seconds=5),
    "request_cancel": lambda ledger: ledger.request_cancel(UNKNOWN, cancelled(Stage.QUEUED)),
    "reopen": lambda ledger: ledger.reopen(UNKNOWN, source_stored=True),
    "expire_leases": lambda ledger: ledger.expire_leases(reserved_seconds=1e12),
    "prune": lambda ledger: ledger.prune(retention_seconds=1e12),
    "plan": lambda ledger: ledger.segments.plan(Lease(UNKNOWN, "t", 0), plan_of()),
    "claim_task": lambda ledger: ledger.segments.claim(holder="w", encoder="e", seconds=5),
    "complete_task": lambda ledger: ledger.segments.complete(TaskLease(UNKNOWN, "t", 0, "p", 0), TaskResult(())),
    "progress": lambda ledger: ledger.segments.progress(UNKNOWN),
    "subscribe": lambda ledger: ledger.subscribe(UNKNOWN),
}


@pytest.mark.parametrize("name", CALLS)
async def test_call_to_an_unreachable_redis_raises_storage_error(
    away: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub, "CALL_SECONDS", 0.5)  # `subscribe` waits for one that comes back
    ledger = RedisLedger(connect(away))
    with pytest.raises(Unavailable):
        await CALLS[name](ledger)
    await ledger.close()


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a Redis that has ended."""
    with RunningRedis(tmp_path_factory.mktemp("redis")) as redis:
        return redis.url


async def test_call_to_a_paused_redis_raises_storage_error_in_time_and_later_calls_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient_redis: None
) -> None:
    with RunningRedis(tmp_path / "redis") as redis:
        ledger = RedisLedger(connect(redis.url))
        upload = await created(ledger, Clock())
        redis.pause()
        ended: list[float] = []

        async def timed(call: Callable[[RedisLedger], Awaitable[object]]) -> None:
            try:
                await call(ledger)
            finally:
                ended.append(time.monotonic())

        # More than there are connections in the pool: who waits for one does not wait twice as long.
        with monkeypatch.context() as patch:
            for module in (redis_lua, pubsub):
                patch.setattr(module, "CALL_SECONDS", CALL_SECONDS)
            outcomes = await asyncio.gather(*(timed(call) for call in [*CALLS.values()] * 3), return_exceptions=True)
        assert max(ended) - min(ended) < CALL_SECONDS
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        redis.resume()
        assert (await ledger.get(upload.id)).seq == 1
        await ledger.close()


async def test_calls_succeed_after_a_restart_broke_the_connections(tmp_path: Path, patient_redis: None) -> None:
    with RunningRedis(tmp_path / "redis", persistent=True) as redis:
        ledger = RedisLedger(connect(redis.url))
        uploads = [fresh(Clock()) for _ in range(8)]
        await asyncio.gather(*(ledger.create([upload]) for upload in uploads))
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.restart)
        assert [(await ledger.get(upload.id)).seq for upload in uploads] == [1] * 8
        await ledger.close()


async def test_result_whose_answer_was_lost_is_recorded_once_and_survives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient_redis: None
) -> None:
    with RunningRedis(tmp_path / "redis", persistent=True) as redis:
        ledger, clock = RedisLedger(connect(redis.url)), Clock()
        clock.now = time.time()
        claim = await planned(ledger, clock, plan_of())
        first, second, third = [
            await ledger.segments.claim(holder="w", encoder=ENCODER, seconds=3600) for _ in range(3)
        ]
        assert first
        assert second
        assert third
        await ledger.segments.complete(first.lease, result_of(first))
        redis.pause()
        with monkeypatch.context() as patch:
            patch.setattr(redis_lua, "CALL_SECONDS", 0.3)
            with pytest.raises(Unavailable):
                await ledger.segments.complete(second.lease, result_of(second))
        redis.resume()  # and now it does what it was sent
        await ledger.segments.complete(second.lease, result_of(second))
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.restart)
        board = await ledger.segments.board(claim.upload.id)
        assert board
        assert board.results == {0: result_of(first), 1: result_of(second)}
        assert board.version == 2
        await ledger.segments.complete(third.lease, result_of(third))
        await ledger.close()


async def test_redis_is_reached_over_a_unix_socket(tmp_path: Path, patient_redis: None) -> None:
    with RunningRedis(tmp_path / "redis", options={"unixsocket": str(tmp_path / "redis.sock")}):
        ledger = RedisLedger(connect(f"unix://{tmp_path / 'redis.sock'}"))
        upload = await created(ledger, Clock())
        await ledger.subscribe(upload.id)
        await ledger.close()


async def test_waiting_calls_are_started_in_the_order_in_which_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient_redis: None
) -> None:
    made: list[str] = []
    started: list[str] = []

    async def call_again_and_again(scripts: Scripts, caller: int) -> None:
        for turn in range(20):
            made.append(f"{caller}.{turn}")
            assert await scripts.command("ECHO", made[-1]) == f"{caller}.{turn}".encode()

    with RunningRedis(tmp_path / "redis") as redis:
        client = connect(redis.url)
        send = client.execute_command

        async def record_and_send(*command: Any) -> Any:
            started.append(command[1])
            return await send(*command)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(client, "execute_command", record_and_send)
        scripts = Scripts(client)
        await asyncio.gather(*(call_again_and_again(scripts, caller) for caller in range(4 * MAX_CONCURRENT_CALLS)))
        await client.aclose()
    assert started == made
