"""A connection to Redis that is reset, on uvloop as in production: an error of the client, never another.

uvloop raises `RuntimeError` for a write to a connection that was reset just before; each test meets that often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from roomcast.dispatch.taskiq_streams import TaskiqDispatch
from roomcast.errors import StorageError, Unavailable
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Scripts
from roomcast.runtime.tasks import exit_when_task_fails
from roomcast.services.backends import Backends
from roomcast.services.maintenance import Maintenance
from roomcast.settings.retention import RetentionSettings
from structlog.testing import capture_logs

from tests.support.harness import eventually
from tests.support.ledgers import Clock, created
from tests.support.recording_handler import RecordingHandler
from tests.support.redis_server import RunningRedis
from tests.support.tcp_link import TcpLink

RESETS = 12
IDLE = 16
"""Connections that are open when they are reset."""

AT_ONCE = 6
"""Calls after it; some meet a connection of which uvloop knows by then."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def link(redis: RunningRedis) -> Iterator[TcpLink]:
    with TcpLink(redis.port) as link:
        yield link


def on_uvloop(work: Coroutine[Any, Any, None]) -> None:
    with capture_logs(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the failures' tracebacks
        runner.run(work)


def test_call_on_a_reset_connection_raises_storage_error(link: TcpLink) -> None:
    async def work() -> None:
        outcomes: list[object] = []
        async with connect(link.redis_url) as client:
            scripts = Scripts(client)
            for _ in range(RESETS):
                await eventually(lambda: all_answer(scripts), what="answers on every connection")
                link.reset()
                for at_once in (AT_ONCE, IDLE):
                    pings = (scripts.command("PING") for _ in range(at_once))
                    outcomes += await asyncio.gather(*pings, return_exceptions=True)
                link.mend()
            await eventually(lambda: all_answer(scripts), what="answers after the resets")
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        causes = [outcome.__cause__ for outcome in outcomes if isinstance(outcome, Unavailable)]
        met = [cause for cause in causes if cause and isinstance(cause.__cause__, RuntimeError)]
        assert met, "uvloop's error was not met"

    on_uvloop(work())


def test_wake_does_not_fail_while_connections_are_reset(link: TcpLink) -> None:
    async def work() -> None:
        async with TaskiqDispatch.open(link.redis_url, name="roomcast:hints") as dispatch:
            for turn in range(RESETS):
                await asyncio.gather(*(dispatch.wake(f"before_{turn}", seq) for seq in range(IDLE)))
                link.reset()
                for at_once in (AT_ONCE, IDLE):
                    await asyncio.gather(*(dispatch.wake(f"upload_{turn}", -seq) for seq in range(at_once)))
                link.mend()

    on_uvloop(work())


def test_workers_go_on_after_their_connections_were_reset(link: TcpLink) -> None:
    async def work() -> None:
        handler, end = RecordingHandler(), exit_when_task_fails(asyncio.Event())
        async with (
            TaskiqDispatch.open(link.redis_url, name="roomcast:workers") as dispatch,
            dispatch.workers(handler, 1),
        ):
            for turn in range(4):
                link.reset()
                failed = await failures(dispatch, 10)
                link.mend()
                assert failed

                async def received(turn: int = turn) -> bool:
                    await dispatch.wake(f"upload_{turn}", len(handler.ids))
                    return f"upload_{turn}" in handler.ids

                await eventually(received, what="a wake-up after the resets")
        assert (end.stop.is_set(), end.exit_code) == (False, 0)

    on_uvloop(work())


def test_maintenance_goes_on_after_its_connections_were_reset(link: TcpLink) -> None:
    async def work() -> None:
        end, clock = exit_when_task_fails(asyncio.Event()), Clock()
        clock.now = time.time()
        ledger = RedisLedger(connect(link.redis_url), namespace="upkeep")
        upload = await created(ledger, clock)
        async with TaskiqDispatch.open(link.redis_url, name="roomcast:upkeep") as dispatch:
            upkeep = Maintenance(
                Backends(ledger, NoMedia(), dispatch, None),  # type: ignore[arg-type]
                RetentionSettings(),
                lease_seconds=0.04,
            )
            async with upkeep.running():
                for _ in range(4):
                    link.reset()
                    await failures(dispatch, 10)
                    link.mend()
                await eventually(lambda: succeeds(ledger.queue()), what="answers after the resets")
                await ledger.claim(upload.id, holder="somebody", seconds=0.05)

                async def reaped() -> bool:
                    return bool((await ledger.get(upload.id)).state.terminal)

                await eventually(reaped, what="the end of an upload whose lease has lapsed")
        await ledger.close()
        assert (end.stop.is_set(), end.exit_code) == (False, 0)

    on_uvloop(work())


async def all_answer(scripts: Scripts) -> bool:
    answers = await asyncio.gather(*(scripts.command("PING") for _ in range(IDLE)), return_exceptions=True)
    return answers == [True] * IDLE


async def succeeds(call: Coroutine[Any, Any, object]) -> bool:
    try:
        await call
    except StorageError:
        return False
    return True


class NoMedia:
    """A media store that nothing was left in."""

    deployment_location = "nowhere"
    origins = ()

    async def claim_deployment(self, mine: str) -> str:
        return mine

    async def discard_results(self, upload_id: str) -> None:
        pass

    async def discard_source(self, name: str) -> None:
        pass


async def failures(dispatch: TaskiqDispatch, count: int) -> int:
    """How many of so many calls the resets were seen in."""
    failed = 0
    for _ in range(count):
        try:
            await dispatch.live_workers()
        except StorageError:
            failed += 1
    return failed
