"""The contract of `roomcast.services.presence.Attendance`, held by every implementation."""

from __future__ import annotations

import secrets

from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Scripts
from roomcast.services.presence import PRESENCE_TTL, LocalPresence, RedisPresence, WebProcess

from tests.integration.contract.ledgers import Clock
from tests.support.redis_server import RunningRedis

ONE, OTHER = WebProcess("a.host.7", 2, 1), WebProcess("another.8", 0, 0)


async def test_who_is_alone_meets_nobody() -> None:
    alone = LocalPresence()
    assert await alone.heartbeat(OTHER) == [OTHER]
    assert await alone.heartbeat(ONE) == [ONE]


async def test_those_that_were_there_lately_meet(redis: RunningRedis, clock: Clock) -> None:
    client = connect(redis.url)
    presence = RedisPresence(Scripts(client), namespace=secrets.token_hex(4), clock=clock)
    assert await presence.heartbeat(OTHER) == [OTHER]
    assert await presence.heartbeat(ONE) == [ONE, OTHER]
    now_more = WebProcess(ONE.process, 5, 1)
    clock.now += PRESENCE_TTL - 1
    assert await presence.heartbeat(now_more) == [now_more, OTHER]
    clock.now += 1
    assert await presence.heartbeat(now_more) == [now_more], "the other has not been heard of for too long"
    await client.aclose()
