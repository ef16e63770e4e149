"""The attendance of many processes: Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import orjson

from roomcast.runtime.redis_lua import Call, RedisTime, Script, Scripts
from roomcast.services.presence import LATELY_SECONDS, WebProcess

_ATTEND = Script(
    """
local PRESENT, now = KEYS[1], time_of(ARGV[1])
local process, facts, lately = ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('HSET', PRESENT, process, exact(now) .. ' ' .. facts)
local present = {}
local all = redis.call('HGETALL', PRESENT)
for at = 1, #all, 2 do
  local said_at, said = all[at + 1]:match('^(%S+) (.*)$')
  if tonumber(said_at) <= now - lately then redis.call('HDEL', PRESENT, all[at])
  else present[#present + 1] = said end
end
return present
"""
)


class RedisAttendance:
    """See `Presence`. Without a `clock`, Redis's own time counts."""

    def __init__(
        self, scripts: Scripts, *, namespace: str = "roomcast", clock: Callable[[], float] | None = None
    ) -> None:
        self._scripts = scripts
        self._time = RedisTime(clock)
        self._key = f"{namespace}:attendance"

    async def attend(self, me: WebProcess) -> list[WebProcess]:
        args = (self._time.given, me.process, orjson.dumps(asdict(me)), repr(LATELY_SECONDS))
        present = await self._scripts.run(Call(_ATTEND, [self._key], args))
        return sorted((WebProcess(**orjson.loads(facts)) for facts in present), key=lambda one: one.process)
