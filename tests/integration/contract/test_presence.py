"""The contract of `roomcast.services.presence.Presence`, for every implementation."""

from __future__ import annotations

import secrets

from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_lua import Scripts
from roomcast.services.presence import PRESENCE_TTL, LocalPresence, RedisPresence, WebProcess

from tests.support.ledgers import Clock
from tests.support.redis_server import RunningRedis

ONE, OTHER = WebProcess("a.host.7", 2, 1), WebProcess("another.8", 0, 0)


async def test_a_single_process_lists_itself_only() -> None:
    alone = LocalPresence()
    assert await alone.heartbeat(OTHER) == [OTHER]
    assert await alone.heartbeat(ONE) == [ONE]


async def test_processes_with_a_recent_heartbeat_are_listed(redis: RunningRedis, clock: Clock) -> None:
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
