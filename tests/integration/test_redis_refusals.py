"""A Redis that answers but refuses to work: the reason is in `/readyz`, and wrong credentials end the start."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from roomcast.dispatch.taskiq_streams import TaskiqDispatch
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.logs.outages import availability
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import RedisRefused
from structlog.testing import capture_logs

from tests.support import warm
from tests.support.harness import eventually
from tests.support.recording_handler import RecordingHandler
from tests.support.redis_server import RunningRedis
from tests.support.start_failures import start_failures

pytestmark = pytest.mark.usefixtures("patient_redis")

REPLICA = [["REPLICAOF", "127.0.0.1", "1"]], [["REPLICAOF", "NO", "ONE"]], "Redis is a read-only replica."
FULL = (
    [["CONFIG", "SET", "maxmemory", "1"]],
    [["CONFIG", "SET", "maxmemory", "0"]],
    "Redis has no memory left for writes (maxmemory).",
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        with BlockingRedis(port=running.port) as client:
            client.config_set("requirepass", "secret")
        yield running


def url(redis: RunningRedis, login: str) -> str:
    return redis.url.replace("redis://", f"redis://{login}@")


@pytest.fixture
async def admin(redis: RunningRedis) -> AsyncIterator[Redis]:
    async with connect(url(redis, ":secret")) as client:
        yield client


async def run(admin: Redis, commands: Sequence[Sequence[str]]) -> None:
    for command in commands:
        await admin.execute_command(*command)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("break_it", "mend_it", "reason"), [REPLICA, FULL])
async def test_redis_that_refuses_writes_is_reported_and_prevents_no_start(
    redis: RunningRedis,
    admin: Redis,
    break_it: Sequence[Sequence[str]],
    mend_it: Sequence[Sequence[str]],
    reason: str,
) -> None:
    availability.cache_clear()  # which remembers the refusals of other tests
    ledger = RedisLedger(connect(url(redis, ":secret")))
    await ledger.prepare()
    await run(admin, break_it)
    try:
        with capture_logs() as logs:
            for _ in range(3):
                with pytest.raises(RedisRefused) as by_check:
                    await ledger.check_writable()
        await ledger.prepare()
    finally:
        await run(admin, mend_it)
    assert by_check.value.message == reason
    assert [(line["event"], line["reason"]) for line in logs] == [("redis_writes_unavailable", reason)]
    await ledger.check_writable()
    await ledger.close()


async def test_worker_of_a_redis_that_refuses_writes_says_so_once_and_works_when_it_does_not(
    redis: RunningRedis, admin: Redis
) -> None:
    availability.cache_clear()
    break_it, mend_it, reason = FULL
    await run(admin, break_it)
    handled = RecordingHandler()
    async with TaskiqDispatch.open(url(redis, ":secret"), name="films") as dispatch:
        try:
            with capture_logs() as logs:
                async with dispatch.workers(handled, 1):
                    await eventually(
                        lambda: [line for line in logs if line["event"] == "redis_writes_unavailable"], what="the line"
                    )
                    attempts = dispatch._broker.heartbeat.last_at
                    await eventually(lambda: dispatch._broker.heartbeat.last_at > attempts, what="that it tries again")
                    await run(admin, mend_it)
                    await dispatch.wake("upload_1", 0)
                    await handled.called_with("upload_1")
        finally:
            await run(admin, mend_it)
    assert [line["reason"] for line in logs if line["event"] == "redis_writes_unavailable"] == [reason]
    assert "dispatch_interrupted" not in {line["event"] for line in logs}


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (":wrong", "Redis refuses the user name or the password in REDIS_URL."),
        ("nobody:secret", "Redis refuses the user name or the password in REDIS_URL."),
        ("reader:secret", "The user in REDIS_URL may not run the commands that Roomcast needs."),
        ("", "Redis refuses the user name or the password in REDIS_URL."),
    ],
)
async def test_wrong_credentials_end_the_start(redis: RunningRedis, admin: Redis, login: str, reason: str) -> None:
    await run(admin, [["ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+get"]])
    ledger = RedisLedger(connect(url(redis, login) if login else redis.url))
    with pytest.raises(RedisRefused) as refused:
        await ledger.prepare()
    assert (refused.value.message, refused.value.permanent) == (reason, True)
    await ledger.close()


def test_worker_with_a_wrong_password_does_not_start_and_says_why(redis: RunningRedis, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "ROOMCAST_DATA": str(tmp_path), "REDIS_URL": url(redis, ":wrong")}
    ended = warm.run(["-m", "roomcast_workers"], env=env)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert start_failures(ended.stderr) == ["Redis refuses the user name or the password in REDIS_URL."]
