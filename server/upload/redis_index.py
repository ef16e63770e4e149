"""Where uploads are found in Redis: the queue, the owners' lists, what is unfinished, and what to look at again when.

All of it lies in one slot and changes in one script, but not in the same as an upload itself: so it is a hint, and the
upload's own state is the truth. `place` puts an upload where its state says it belongs, and an older word never undoes
a newer one (`seq` decides), so it may be said late, twice or by anybody. What keeps a hint from being wrong for long:

* an upload is announced here before it is created or starts over, and leaves `unfinished` only after it has ended;
* every unfinished upload has a time at which `reap` looks at it again: when its lease lapses, or after a while.

The order of the queue is written into the members of sorted sets whose scores are all 0, as text that sorts:
an owner's queue by `priority|queued at|id`, and the heads of all owners' queues by
`uploads ahead of it|priority|owner last served|queued at|id`. So the next is simply the first of the heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.upload.errors import TooMany
from server.upload.events import Upload
from server.upload.lifecycle import Stage
from server.upload.redis_scripts import Call, RedisTime, Script, Scripts
from server.upload.redis_uploads import Seen

_INDEX = """
-- What is known of each upload: {seq, place, owner, queued = its member of a queue, listed = of its owner's list}.
local KNOWN = KEYS[1]
local now = time_of(ARGV[1])

local function key(name, owner)
  local whole = KNOWN:sub(1, -#'known' - 1) .. name
  return owner and whole .. ':' .. owner or whole
end

local function known(id)
  local text = redis.call('HGET', KNOWN, id)
  return text and cjson.decode(text)
end

-- The places that decide about the order of the queue.
local IN_QUEUE = {queued = true, taken = true, working = true}

-- Tell that the queue has moved, at most ten times a second; who listens looks again a little later.
local function tell()
  if redis.call('SET', key('told'), '1', 'NX', 'PX', 100) then redis.call('PUBLISH', key('moved'), '') end
end

-- Renew the owner's entry among the heads of the queues.
local function put_head(owner)
  local old = redis.call('HGET', key('head-of'), owner)
  if old then redis.call('ZREM', key('heads'), old) end
  local first = redis.call('ZRANGE', key('queue', owner), 0, 0)[1]
  if not first then
    redis.call('HDEL', key('head-of'), owner)
    return
  end
  local ahead = string.format('%08d', redis.call('SCARD', key('working', owner)))
  local served = redis.call('HGET', key('served'), owner) or string.format('%017.6f', 0)
  local priority, rest = first:match('^([^|]*)|(.*)$')
  local head = table.concat({ahead, priority, served, rest}, '|')
  redis.call('ZADD', key('heads'), 0, head)
  redis.call('HSET', key('head-of'), owner, head)
end

-- Let those into the queue whose retry has become due.
local function let_in()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', exact(now))) do
    redis.call('ZREM', key('delayed'), id)
    local one = known(id)
    if one and one.place == 'queued' then
      redis.call('ZADD', key('queue', one.owner), 0, one.queued)
      put_head(one.owner)
      tell()
    end
  end
end

local function leave(id, one)
  if one.place == 'queued' then
    redis.call('ZREM', key('delayed'), id)
    redis.call('ZREM', key('queue', one.owner), one.queued)
  elseif one.place == 'taken' or one.place == 'working' then
    redis.call('SREM', key('working', one.owner), id)
  elseif one.place == 'reserved' or one.place == 'finished' then
    redis.call('ZREM', key(one.place), id)
  end
  if IN_QUEUE[one.place] then put_head(one.owner) end
end

-- `since`: when it was reserved or finished, or before when it must stay queued. `look_at`: when to look again.
local function enter(id, one, created_at, since, look_at)
  if one.place == 'queued' then
    if tonumber(since) > now then redis.call('ZADD', key('delayed'), since, id)
    else redis.call('ZADD', key('queue', one.owner), 0, one.queued) end
  elseif one.place == 'taken' or one.place == 'working' then
    redis.call('SADD', key('working', one.owner), id)
  elseif one.place == 'reserved' or one.place == 'finished' then
    redis.call('ZADD', key(one.place), since, id)
  end
  if IN_QUEUE[one.place] then put_head(one.owner) end
  redis.call('ZADD', key('uploads', one.owner), 0, one.listed)
  if one.place == 'finished' then
    redis.call('ZREM', key('unfinished'), id)
    redis.call('ZREM', key('checks'), id)
    redis.call('SREM', key('unfinished', one.owner), id)
  else
    redis.call('ZADD', key('unfinished'), created_at, id)
    redis.call('ZADD', key('checks'), look_at, id)
    redis.call('SADD', key('unfinished', one.owner), id)
  end
  redis.call('HSET', KNOWN, id, cjson.encode(one))
end
"""

_ANNOUNCE = Script(
    _INDEX,
    """
local in_flight, owner, look_at = tonumber(ARGV[2]), ARGV[3], ARGV[4]
if in_flight and redis.call('SCARD', key('unfinished', owner)) + (#ARGV - 4) / 4 > in_flight then return 'many' end
for at = 5, #ARGV, 4 do
  local id, listed, created_at, since = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if not known(id) then
    enter(id, {seq = 0, place = 'reserved', owner = owner, queued = '', listed = listed}, created_at, since, look_at)
  end
end
return 'announced'
""",
)

_PLACE = Script(
    _INDEX,
    """
local id, created_at, since, look_at = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local one = {seq = tonumber(ARGV[6]), place = ARGV[7], owner = ARGV[8], queued = ARGV[9], listed = ARGV[10]}
local before = known(id)
if before then
  if before.seq > one.seq then return 0 end
  if before.seq == one.seq then
    local due = tonumber(redis.call('ZSCORE', key('checks'), id) or 0) <= now
    -- Whoever took it is about to say what became of it.
    if before.place == 'taken' and not due then return 0 end
    if before.place == one.place and one.place ~= 'queued' then
      if one.place == 'finished' then redis.call('ZREM', key('checks'), id)
      else redis.call('ZADD', key('checks'), look_at, id) end
      return 0
    end
  end
  leave(id, before)
end
enter(id, one, created_at, since, look_at)
if IN_QUEUE[one.place] or before and IN_QUEUE[before.place] then
  if not before or before.place ~= one.place then tell() end
end
return 1
""",
)

_TAKE = Script(
    _INDEX,
    """
local look_at = exact(now + tonumber(ARGV[2]))
let_in()
local head = redis.call('ZRANGE', key('heads'), 0, 0)[1]
if not head then return false end
local id = head:match('([^|]*)$')
local one = known(id)
leave(id, one)
redis.call('HSET', key('served'), one.owner, string.format('%017.6f', now))
one.place = 'taken'
redis.call('SADD', key('working', one.owner), id)
redis.call('ZADD', key('checks'), look_at, id)
redis.call('HSET', KNOWN, id, cjson.encode(one))
put_head(one.owner)
tell()
return id
""",
)

_QUEUE = Script(
    _INDEX,
    """
let_in()
local queues = {}
for place, owner in ipairs(redis.call('HKEYS', key('head-of'))) do
  queues[place] = {
    redis.call('SCARD', key('working', owner)),
    redis.call('HGET', key('served'), owner) or '',
    redis.call('ZRANGE', key('queue', owner), 0, -1),
  }
end
return queues
""",
)

_POSITION = Script(
    _INDEX,
    """
let_in()
local id = ARGV[2]
local one = known(id)
local rank = one and one.place == 'queued' and redis.call('ZRANK', key('queue', one.owner), one.queued)
if not rank then return false end

-- What decides between two that have equally many ahead of them.
local function tie(owner, member)
  local served = redis.call('HGET', key('served'), owner) or string.format('%017.6f', 0)
  local priority, rest = member:match('^([^|]*)|(.*)$')
  return priority .. '|' .. served .. '|' .. rest
end

local level = rank + redis.call('SCARD', key('working', one.owner))
local own = tie(one.owner, one.queued)
local position = 1
for _, owner in ipairs(redis.call('HKEYS', key('head-of'))) do
  local at = level - redis.call('SCARD', key('working', owner))  -- the rank in this queue that is level with ours
  position = position + math.min(math.max(at, 0), redis.call('ZCARD', key('queue', owner)))
  local level_with_us = at >= 0 and redis.call('ZRANGE', key('queue', owner), at, at)[1]
  if level_with_us and tie(owner, level_with_us) < own then position = position + 1 end
end
return position
""",
)

_DUE = Script(
    _INDEX,
    """
local reserved_before, most = ARGV[2], ARGV[3]
local due = redis.call('ZRANGEBYSCORE', key('checks'), '-inf', exact(now), 'LIMIT', 0, most)
local reserved = redis.call('ZRANGEBYSCORE', key('reserved'), '-inf', '(' .. reserved_before, 'LIMIT', 0, most)
return {due, reserved}
""",
)

_DROP = Script(
    _INDEX,
    """
local only_if_due = ARGV[2] == '1'
local dropped = {}
for at = 3, #ARGV do
  local id = ARGV[at]
  if not only_if_due or tonumber(redis.call('ZSCORE', key('checks'), id) or 0) <= now then
    local one = known(id)
    redis.call('HDEL', KNOWN, id)
    for _, name in ipairs({'unfinished', 'checks', 'reserved', 'finished'}) do redis.call('ZREM', key(name), id) end
    if one then
      leave(id, one)
      redis.call('SREM', key('unfinished', one.owner), id)
      redis.call('ZREM', key('uploads', one.owner), one.listed)
      if redis.call('EXISTS', key('uploads', one.owner)) == 0 then redis.call('HDEL', key('served'), one.owner) end
      if IN_QUEUE[one.place] then tell() end
    end
    dropped[#dropped + 1] = id
  end
end
return dropped
""",
)

CHECK_SECONDS = 30.0
"""How often an unfinished upload that nobody holds is looked at: how long a hint may be wrong."""

GRACE_SECONDS = 10.0
"""How long after its announcement an upload may still be created."""

_MOST_AT_ONCE = 500


class Place(StrEnum):
    """Where an upload is found. (`taken`, between the queue and its claim, only the scripts know.)"""

    RESERVED = "reserved"
    ARRIVING = "arriving"
    QUEUED = "queued"
    WORKING = "working"
    FINISHED = "finished"


@dataclass(frozen=True)
class Listed:
    """An upload in an owner's list, and the position after which the list goes on."""

    upload_id: str
    position: str


class RedisIndex:
    """The hints. Ids come out; what they stand for, only the uploads themselves tell."""

    def __init__(self, scripts: Scripts, time: RedisTime, *, namespace: str) -> None:
        self._scripts = scripts
        self._time = time
        self._prefix = f"{namespace}:{{index}}:"

    @property
    def channel(self) -> str:
        """Where it is published that the queue has moved."""
        return self._prefix + "moved"

    async def announce(self, uploads: Sequence[Upload], *, in_flight: int | None) -> float:
        """Make new uploads of one owner findable, and say until when they may be created. `TooMany` and nothing when
        the owner would have more than `in_flight` unfinished ones."""
        deadline = self._time.now() + GRACE_SECONDS
        entries = [
            part
            for upload in uploads
            for part in (upload.id, _listed(upload), repr(upload.created_at), repr(upload.updated_at))
        ]
        limit = "" if in_flight is None else str(in_flight)
        look_at = repr(deadline + GRACE_SECONDS)
        if await self._scripts.run(self._call(_ANNOUNCE, limit, uploads[0].owner, look_at, *entries)) == b"many":
            raise TooMany(f"No more than {in_flight} unfinished uploads at once. Wait for one to end.")
        return deadline

    async def announce_again(self, upload_id: str) -> None:
        """An upload that has ended is about to start over: look at it soon."""
        look_at = repr(self._time.now() + GRACE_SECONDS)
        await self._scripts.command("ZADD", self._prefix + "checks", look_at, upload_id)

    async def place(self, seen: Sequence[Seen]) -> None:
        """Put uploads where they belong as they were seen."""
        await self._scripts.run_all([self._placing(one) for one in seen])

    async def take(self, *, seconds: float) -> str | None:
        """Take the first out of the queue. Unless it is claimed within `seconds`, `reap` will put it back."""
        taken = await self._scripts.run(self._call(_TAKE, repr(seconds)))
        return taken.decode() if taken else None

    async def queue(self) -> list[str]:
        """The ids that wait, in the order in which they will be taken."""
        waiting = []
        for working, served, members in await self._scripts.run(self._call(_QUEUE)):
            for ahead, member in enumerate(members, start=working):
                priority, queued_at, upload_id = member.split(b"|")
                waiting.append((ahead, priority, served or _sortable(0.0).encode(), queued_at, upload_id))
        return [upload_id.decode() for *_, upload_id in sorted(waiting)]

    async def position(self, upload_id: str) -> int | None:
        """Its place in the queue, from 1; None when it does not wait."""
        found = await self._scripts.run(self._call(_POSITION, upload_id))
        return int(found) if found else None

    async def unfinished(self) -> list[str]:
        """The ids of what has not ended, oldest first."""
        return [found.decode() for found in await self._scripts.command("ZRANGE", self._prefix + "unfinished", 0, -1)]

    async def listed(self, owner: str, *, after: str | None, most: int) -> list[Listed]:
        """The owner's uploads, newest first, from after a position on."""
        start = "+" if after is None else f"({after}"
        key = f"{self._prefix}uploads:{owner}"
        found = await self._scripts.command("ZREVRANGEBYLEX", key, start, "-", "LIMIT", 0, most)
        return [Listed(member.decode().split("|")[1], member.decode()) for member in found]

    async def due(self, reserved_before: float) -> list[str]:
        """The ids that want to be looked at, some hundreds at most."""
        due, reserved = await self._scripts.run(self._call(_DUE, repr(reserved_before), _MOST_AT_ONCE))
        return list(dict.fromkeys(found.decode() for found in (*due, *reserved)))

    async def finished(self, before: float) -> list[str]:
        """Ids of what ended before then, some hundreds at most."""
        key = self._prefix + "finished"
        found = await self._scripts.command("ZRANGEBYSCORE", key, "-inf", f"({before!r}", "LIMIT", 0, _MOST_AT_ONCE)
        return [upload_id.decode() for upload_id in found]

    async def drop(self, upload_ids: Sequence[str], *, only_if_due: bool) -> None:
        """Forget uploads that are no more. With `only_if_due`, not those that may be about to be created."""
        if upload_ids:
            await self._scripts.run(self._call(_DROP, "1" if only_if_due else "", *upload_ids))

    def _placing(self, seen: Seen) -> Call:
        upload = seen.upload
        place = _place(seen)
        since = upload.not_before if place is Place.QUEUED else upload.updated_at
        look_at = seen.expires_at if seen.token else self._time.now() + CHECK_SECONDS
        return self._call(
            _PLACE,
            upload.id,
            repr(upload.created_at),
            repr(since),
            repr(look_at),
            upload.seq,
            place.value,
            upload.owner,
            f"{_falling(upload.priority)}|{_sortable(upload.updated_at)}|{upload.id}",
            _listed(upload),
        )

    def _call(self, script: Script, *args: str | int) -> Call:
        return Call(script, (self._prefix + "known",), (self._time.given, *args))


def _place(seen: Seen) -> Place:
    if seen.upload.state.terminal:
        return Place.FINISHED
    match seen.upload.stage:
        case Stage.RECEIVING:
            return Place.ARRIVING if seen.token else Place.RESERVED
        case Stage.QUEUED:
            return Place.QUEUED
    return Place.WORKING


def _sortable(seconds: float) -> str:
    """A time as text that sorts as the time does."""
    return f"{seconds:017.6f}"


def _falling(priority: int) -> str:
    """A priority as text that sorts the higher first."""
    return f"{10**9 - priority:010d}"


def _listed(upload: Upload) -> str:
    return f"{_sortable(upload.created_at)}|{upload.id}"
