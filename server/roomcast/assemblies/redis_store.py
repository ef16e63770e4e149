"""Records of many processes: Redis.

Every record has a key of its own; two kinds of index lead to it, the time at which it is due and its group. All keys of
a kind lie in one slot, so each change is one script. What nobody touches for `keep_seconds` goes by itself; whatever is
due is touched when it is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic

from roomcast.assemblies.store import Codec, R
from roomcast.errors import NotFound
from roomcast.runtime.redis_lua import Call, RedisTime, Script, Scripts

_KEYS = """
local PREFIX, DUE = KEYS[1], KEYS[1] .. ':due'
local now = time_of(ARGV[1])
local function key(id) return PREFIX .. ':one:' .. id end
local function group_key(group) return PREFIX .. ':group:' .. group end

local function put(id, record, revision, group, created_at, due_at, keep)
  local old = redis.call('HGET', key(id), 'group')
  if old and old ~= '' and old ~= group then redis.call('ZREM', group_key(old), id) end
  redis.call('HSET', key(id), 'record', record, 'revision', revision, 'group', group, 'due', due_at)
  redis.call('EXPIRE', key(id), keep)
  if group ~= '' then
    redis.call('ZADD', group_key(group), created_at, id)
    redis.call('EXPIRE', group_key(group), keep)
  end
  if due_at == '' then redis.call('ZREM', DUE, id) else redis.call('ZADD', DUE, due_at, id) end
end

-- What a record is: its body, its revision and when it is due. False where there is none.
local function seen(id)
  local one = redis.call('HMGET', key(id), 'record', 'revision', 'due')
  return one[1] and one
end
"""

_GET = Script(_KEYS, "return seen(ARGV[2])")

_GROUP = Script(
    _KEYS,
    """
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', group_key(ARGV[2]), 0, -1)) do
  local one = seen(id)
  if one then found[#found + 1] = one else redis.call('ZREM', group_key(ARGV[2]), id) end
end
return found
""",
)

_PUT = Script(
    _KEYS,
    """
local id, expected = ARGV[2], ARGV[3]
if (redis.call('HGET', key(id), 'revision') or '0') ~= expected then return 0 end
put(id, ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])
return 1
""",
)

_TAKE_DUE = Script(
    _KEYS,
    """
local limit, seconds, keep = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', exact(now), 'LIMIT', 0, limit)) do
  if seen(id) then
    redis.call('HINCRBY', key(id), 'revision', 1)
    redis.call('HSET', key(id), 'due', exact(now + seconds))
    redis.call('ZADD', DUE, exact(now + seconds), id)
    redis.call('EXPIRE', key(id), keep)
    local group = redis.call('HGET', key(id), 'group')
    if group ~= '' then redis.call('EXPIRE', group_key(group), keep) end
    taken[#taken + 1] = seen(id)
  else
    redis.call('ZREM', DUE, id)
  end
end
return taken
""",
)

_DROP = Script(
    _KEYS,
    """
local group = redis.call('HGET', key(ARGV[2]), 'group')
if group and group ~= '' then redis.call('ZREM', group_key(group), ARGV[2]) end
redis.call('ZREM', DUE, ARGV[2])
return redis.call('DEL', key(ARGV[2]))
""",
)


class RedisRecordStore(Generic[R]):
    """See `roomcast.assemblies.store.Records`, the contract. Without a `clock`, Redis's own time counts."""

    def __init__(
        self,
        scripts: Scripts,
        name: str,
        kind: type[R],
        *,
        keep_seconds: float,
        namespace: str = "roomcast",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._scripts = scripts
        self._prefix = f"{namespace}:{{{name}}}"
        self._codec = Codec(kind)
        self._keep = str(max(1, round(keep_seconds)))
        self._time = RedisTime(clock)

    async def add(self, record: R) -> bool:
        return await self._put(record, expected=0)

    async def get(self, record_id: str) -> R:
        reply = await self._run(_GET, record_id)
        if not reply:
            raise NotFound("There is no such thing, or no longer.")
        return self._seen(reply)

    async def in_group(self, name: str) -> list[R]:
        return [self._seen(reply) for reply in await self._run(_GROUP, name)]

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        while True:
            before = await self.get(record_id)
            after = change(before)
            if after == before:
                return before
            after = replace(after, revision=before.revision + 1)
            if await self._put(after, expected=before.revision):
                return after

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        return [self._seen(reply) for reply in await self._run(_TAKE_DUE, limit, repr(seconds), self._keep)]

    async def delete(self, record_id: str) -> None:
        await self._run(_DROP, record_id)

    async def _put(self, record: R, *, expected: int) -> bool:
        reply = await self._run(
            _PUT,
            record.id,
            expected,
            self._codec.encode(record),
            record.revision,
            record.group,
            repr(record.created_at),
            "" if record.due_at is None else repr(record.due_at),
            self._keep,
        )
        return bool(reply)

    async def _run(self, script: Script, *args: str | bytes | int) -> Any:
        return await self._scripts.run(Call(script, (self._prefix,), (self._time.arg, *args)))

    def _seen(self, reply: list[bytes]) -> R:
        body, revision, due_at = reply
        return replace(self._codec.decode(body), revision=int(revision), due_at=float(due_at) if due_at else None)
