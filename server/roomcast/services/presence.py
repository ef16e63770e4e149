"""Registry of the running web processes, with the counts that only each process itself knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    from roomcast.runtime.redis_lua import Scripts

PRESENCE_TTL = 5.0
"""Seconds for which a process counts as running after its last heartbeat."""

_HEARTBEAT = """
local present_key, now = KEYS[1], time_of(ARGV[1])
local process, counts, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('HSET', present_key, process, exact(now) .. ' ' .. counts)
local present = {}
local all = redis.call('HGETALL', present_key)
for at = 1, #all, 2 do
  local beat_at, its_counts = all[at + 1]:match('^(%S+) (.*)$')
  if tonumber(beat_at) <= now - ttl then redis.call('HDEL', present_key, all[at])
  else present[#present + 1] = its_counts end
end
return present
"""


@dataclass(frozen=True)
class WebProcess:
    """A web process, named by `process_name`, with the number of its open sockets and streams."""

    process: str
    sockets: int
    streams: int


class Presence(Protocol):
    """The registry of web processes."""

    async def heartbeat(self, me: WebProcess) -> list[WebProcess]:
        """Record that this process runs; return every process heard of within `PRESENCE_TTL`, sorted by name."""


class LocalPresence:
    """`Presence` of a single process."""

    async def heartbeat(self, me: WebProcess) -> list[WebProcess]:
        return [me]


class RedisPresence:
    """`Presence` of all processes that share a Redis. Without a `clock`, Redis's own time is used."""

    def __init__(
        self, scripts: Scripts, *, namespace: str = "roomcast", clock: Callable[[], float] | None = None
    ) -> None:
        # Imported here because a single process does not load the Redis client.
        from roomcast.runtime.redis_lua import Call, RedisTime, Script  # noqa: PLC0415

        script, key, time = Script(_HEARTBEAT), f"{namespace}:presence", RedisTime(clock)

        async def run(*args: str | bytes) -> list[bytes]:
            present: list[bytes] = await scripts.run(Call(script, [key], (time.arg, *args)))
            return present

        self._run = run

    async def heartbeat(self, me: WebProcess) -> list[WebProcess]:
        present = await self._run(me.process, orjson.dumps(asdict(me)), repr(PRESENCE_TTL))
        return sorted((WebProcess(**orjson.loads(counts)) for counts in present), key=lambda one: one.process)
