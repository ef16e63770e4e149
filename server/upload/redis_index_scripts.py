"""The scripts of `redis_index`: one slot's keys, found from that of `known`."""

from __future__ import annotations

from server.upload.redis_scripts import Script

_INDEX = """
-- What is known of each upload: {seq, place, owner, queued = its member of a queue, listed = of lists,
-- fate = 'unfinished' or how it ended, template}.
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

-- The queue of its owner, and what is counted of all queues: how many wait by template, and since when.
local function join_queue(id, one, not_before)
  redis.call('ZADD', key('queue', one.owner), 0, one.queued)
  local since = math.max(tonumber(one.queued:match('|(.-)|')), tonumber(not_before))
  if redis.call('ZADD', key('waiting'), exact(since), id) == 1 then
    redis.call('HINCRBY', key('templates'), one.template, 1)
  end
end

local function leave_queue(id, one)
  redis.call('ZREM', key('queue', one.owner), one.queued)
  if redis.call('ZREM', key('waiting'), id) == 1 and redis.call('HINCRBY', key('templates'), one.template, -1) == 0 then
    redis.call('HDEL', key('templates'), one.template)
  end
end

-- Let those into the queue whose retry has become due.
local function let_in()
  local due = redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', exact(now), 'WITHSCORES')
  for at = 1, #due, 2 do
    local id, not_before = due[at], due[at + 1]
    redis.call('ZREM', key('delayed'), id)
    local one = known(id)
    if one and one.place == 'queued' then
      join_queue(id, one, not_before)
      put_head(one.owner)
      tell()
    end
  end
end

local function leave(id, one)
  if one.place == 'queued' then
    redis.call('ZREM', key('delayed'), id)
    leave_queue(id, one)
  elseif one.place == 'taken' or one.place == 'working' then
    redis.call('SREM', key('working', one.owner), id)
    redis.call('SREM', key('working'), id)
  elseif one.place == 'reserved' or one.place == 'finished' then
    redis.call('ZREM', key(one.place), id)
  end
  if IN_QUEUE[one.place] then put_head(one.owner) end
end

-- Take it out of the lists of everybody's uploads; `enter` puts it into another.
local function unlist(id, one)
  redis.call('ZREM', key('all', one.fate), one.listed)
  redis.call('ZREM', key('ended', one.fate), id)
end

-- `since`: when it was reserved or finished, or before when it must stay queued. `look_at`: when to look again.
local function enter(id, one, created_at, since, look_at)
  if one.place == 'queued' then
    if tonumber(since) > now then redis.call('ZADD', key('delayed'), since, id)
    else join_queue(id, one, since) end
  elseif one.place == 'taken' or one.place == 'working' then
    redis.call('SADD', key('working', one.owner), id)
    redis.call('SADD', key('working'), id)
  elseif one.place == 'reserved' or one.place == 'finished' then
    redis.call('ZADD', key(one.place), since, id)
  end
  if IN_QUEUE[one.place] then put_head(one.owner) end
  redis.call('ZADD', key('uploads', one.owner), 0, one.listed)
  redis.call('ZADD', key('all', one.fate), 0, one.listed)
  if one.place == 'finished' then
    redis.call('ZADD', key('ended', one.fate), since, id)
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

ANNOUNCE = Script(
    _INDEX,
    """
local in_flight, owner, look_at = tonumber(ARGV[2]), ARGV[3], ARGV[4]
if in_flight and redis.call('SCARD', key('unfinished', owner)) + (#ARGV - 4) / 4 > in_flight then return 'many' end
for at = 5, #ARGV, 4 do
  local one = known(ARGV[at])
  -- The same call that came a second time is no other upload.
  if one and (one.owner ~= owner or one.listed ~= ARGV[at + 1]) then return 'taken' end
end
for at = 5, #ARGV, 4 do
  local id, listed, created_at, since = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if not known(id) then
    local one = {seq = 0, place = 'reserved', owner = owner, queued = '', listed = listed, fate = 'unfinished'}
    enter(id, one, created_at, since, look_at)
  end
end
return 'announced'
""",
)

PLACE = Script(
    _INDEX,
    """
local id, created_at, since, look_at = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local one = {seq = tonumber(ARGV[6]), place = ARGV[7], owner = ARGV[8], queued = ARGV[9], listed = ARGV[10]}
one.fate, one.template = ARGV[11], ARGV[12]
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
  unlist(id, before)
end
enter(id, one, created_at, since, look_at)
if IN_QUEUE[one.place] or before and IN_QUEUE[before.place] then
  if not before or before.place ~= one.place then tell() end
end
return 1
""",
)

TAKE = Script(
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
redis.call('SADD', key('working'), id)
redis.call('ZADD', key('checks'), look_at, id)
redis.call('HSET', KNOWN, id, cjson.encode(one))
put_head(one.owner)
tell()
return id
""",
)

QUEUE = Script(
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

POSITION = Script(
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

DUE = Script(
    _INDEX,
    """
local reserved_before, most = ARGV[2], ARGV[3]
local due = redis.call('ZRANGEBYSCORE', key('checks'), '-inf', exact(now), 'LIMIT', 0, most)
local reserved = redis.call('ZRANGEBYSCORE', key('reserved'), '-inf', '(' .. reserved_before, 'LIMIT', 0, most)
return {due, reserved}
""",
)

DROP = Script(
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
      unlist(id, one)
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

STANDING = Script(
    _INDEX,
    """
let_in()
local since, failures = ARGV[2], tonumber(ARGV[3])
local ended = {}
for at = 4, #ARGV do ended[#ended + 1] = redis.call('ZCOUNT', key('ended', ARGV[at]), since, '+inf') end
return {
  redis.call('HGETALL', key('templates')),
  redis.call('ZRANGE', key('waiting'), 0, 0, 'WITHSCORES'),
  redis.call('ZCARD', key('delayed')),
  redis.call('ZCARD', key('unfinished')),
  redis.call('SMEMBERS', key('working')),
  ended,
  redis.call('ZREVRANGE', key('ended', 'failed'), 0, failures - 1),
}
""",
)
