-- The queue, the listings and their counts. Included in every script that changes or reads the queue.
--
--   entries              hash    upload id to its entry: the JSON of `queue.entry_of`, which names its listings
--   receiving            zset    uploads that wait for bytes and have no lease, by the time of their last event
--   delayed              zset    uploads that wait for a retry, by the time at which it is due
--   queue:<owner>        zset    the owner's queue, by `queue_member`
--   working:<owner>      set     the owner's uploads that workers have leased
--   heads, head-of       zset    the first of each owner's queue, by `ahead|priority|served|queued at|id`; hash of them
--   served               hash    owner to the time of its latest claim
--   waiting              zset    uploads in the queues, by the time since when they wait
--   templates            hash    template to its number of uploads in the queues
--   pauses               hash    the pauses of administrators: `template:<name>` or `worker:<name>` to its JSON
--   paused:<template>    zset    queued uploads of a paused template, which are in no queue, by when they were queued
--   unfinished:<owner>   set     the owner's active uploads
--   uploads:<owner>      zset    all uploads of the owner, by `list_member`
--   all:<outcome>        zset    all terminal uploads of that outcome, by `list_member`; `all:unfinished`: active ones
--   ended:<outcome>      zset    uploads of that outcome by the time at which they ended
--   cleanups             zset    ended uploads of which something is to be deleted some time, by that time; while the cleanup
--                                of a failed or cancelled one is claimed, by the time until when it is
--   queue-moved          channel the order of the queue has changed
--
-- Members that are ordered as text have score 0.
local UNFINISHED = {receiving = true, queued = true, working = true}
local IN_QUEUE = {queued = true, working = true}
local NEVER = string.format('%017.6f', 0)

local function entry_of(id)
  local text = redis.call('HGET', key('entries'), id)
  return text and cjson.decode(text)
end

local function list_of(entry) return key('all', UNFINISHED[entry.state] and 'unfinished' or entry.state) end

-- Publish that the queue has moved, at most ten times a second; listeners read it again a little later.
local function publish_queue_moved()
  if redis.call('SET', key('queue-moved-lately'), '1', 'NX', 'PX', 100) then
    redis.call('PUBLISH', key('queue-moved'), '')
  end
end

-- Return the owner's member of `heads`, if the first of its queue is `first`. It also depends on its uploads at work and its
-- latest claim.
local function head_with(owner, first)
  local ahead = string.format('%08d', redis.call('SCARD', key('working', owner)))
  local served = redis.call('HGET', key('served'), owner) or NEVER
  local priority, rest = first:match('^([^|]*)|(.*)$')
  return table.concat({ahead, priority, served, rest}, '|')
end

local function update_head(owner)
  local old = redis.call('HGET', key('head-of'), owner)
  if old then redis.call('ZREM', key('heads'), old) end
  local first = redis.call('ZRANGE', key('queue', owner), 0, 0)[1]
  if not first then
    if old then redis.call('HDEL', key('head-of'), owner) end
    return
  end
  local head = head_with(owner, first)
  redis.call('ZADD', key('heads'), 0, head)
  redis.call('HSET', key('head-of'), owner, head)
end

local function is_paused(target, name) return redis.call('HEXISTS', key('pauses'), target .. ':' .. name) == 1 end

local function join_queue(id, entry)
  local since = math.max(tonumber(entry.queue_member:match('|(.-)|')), tonumber(entry.since))
  if is_paused('template', entry.template) then
    redis.call('ZADD', key('paused', entry.template), exact(since), id)
    return
  end
  redis.call('ZADD', key('queue', entry.owner), 0, entry.queue_member)
  redis.call('ZADD', key('waiting'), exact(since), id)
  redis.call('HINCRBY', key('templates'), entry.template, 1)
end

local function leave_queue(id, entry)
  if redis.call('ZREM', key('queue', entry.owner), entry.queue_member) == 0 then
    redis.call('ZREM', key('delayed'), id)
    redis.call('ZREM', key('paused', entry.template), id)
    return
  end
  redis.call('ZREM', key('waiting'), id)
  if redis.call('HINCRBY', key('templates'), entry.template, -1) == 0 then
    redis.call('HDEL', key('templates'), entry.template)
  end
end

-- Move the uploads of a template, of those with these ids, out of the queue or back into it, as its pause now says.
local function move_all(ids, template)
  local owners = {}
  for _, id in ipairs(ids) do
    local entry = entry_of(id)
    if entry and entry.template == template then
      leave_queue(id, entry)
      join_queue(id, entry)
      owners[entry.owner] = true
    end
  end
  for owner in pairs(owners) do update_head(owner) end
  publish_queue_moved()
end

-- Put uploads whose retry is due into their owners' queues.
local function promote()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', exact(now))) do
    redis.call('ZREM', key('delayed'), id)
    local entry = entry_of(id)
    if entry then
      join_queue(id, entry)
      update_head(entry.owner)
      publish_queue_moved()
    end
  end
end

local function leave(id, entry)
  if entry.state == 'queued' then leave_queue(id, entry)
  elseif entry.state == 'working' then redis.call('SREM', key('working', entry.owner), id)
  elseif entry.state == 'receiving' then redis.call('ZREM', key('receiving'), id)
  else
    redis.call('ZREM', key('ended', entry.state), id)
    redis.call('ZREM', key('cleanups'), id)
  end
end

local function enter(id, entry)
  if entry.state == 'queued' then
    if tonumber(entry.since) > now then redis.call('ZADD', key('delayed'), entry.since, id)
    else join_queue(id, entry) end
  elseif entry.state == 'working' then redis.call('SADD', key('working', entry.owner), id)
  elseif entry.state == 'receiving' then redis.call('ZADD', key('receiving'), entry.since, id)
  else
    redis.call('ZADD', key('ended', entry.state), entry.since, id)
    if type(entry.cleanup_at) == 'string' then redis.call('ZADD', key('cleanups'), entry.cleanup_at, id) end
  end
end

-- Replace an upload's entry, if it has one, by `text`, and move it between the listings accordingly.
local function move(id, text)
  local before, after = entry_of(id), cjson.decode(text)
  if before then leave(id, before) end
  enter(id, after)
  redis.call('HSET', key('entries'), id, text)
  if not before then redis.call('ZADD', key('uploads', after.owner), 0, after.list_member) end
  if not before or list_of(before) ~= list_of(after) then
    if before then redis.call('ZREM', list_of(before), before.list_member) end
    redis.call('ZADD', list_of(after), 0, after.list_member)
    redis.call(UNFINISHED[after.state] and 'SADD' or 'SREM', key('unfinished', after.owner), id)
  end
  if IN_QUEUE[after.state] or before and IN_QUEUE[before.state] then
    update_head(after.owner)
    publish_queue_moved()
  end
end

-- Delete an upload, its events, and its members in all listings.
local function delete(id)
  redis.call('DEL', key('upload', id), key('events', id), key('lines', id))
  redis.call('ZREM', LEASES, id)
  delete_plan(id)
  local entry = entry_of(id)
  if not entry then return end
  leave(id, entry)
  redis.call('HDEL', key('entries'), id)
  redis.call('SREM', key('unfinished', entry.owner), id)
  redis.call('ZREM', list_of(entry), entry.list_member)
  redis.call('ZREM', key('uploads', entry.owner), entry.list_member)
  if redis.call('EXISTS', key('uploads', entry.owner)) == 0 then redis.call('HDEL', key('served'), entry.owner) end
  if IN_QUEUE[entry.state] then
    update_head(entry.owner)
    publish_queue_moved()
  end
end

-- Return text by which uploads are ordered that have equally many uploads ahead of them.
local function tie_break(owner, queue_member)
  local served = redis.call('HGET', key('served'), owner) or NEVER
  local priority, rest = queue_member:match('^([^|]*)|(.*)$')
  return priority .. '|' .. served .. '|' .. rest
end

-- Return the position of an upload in the queue, from 1; false if it is not in the queue.
local function position(id)
  promote()
  local entry = entry_of(id)
  local rank = entry and entry.state == 'queued'
    and redis.call('ZRANK', key('queue', entry.owner), entry.queue_member)
  if not rank then return false end
  local ahead = rank + redis.call('SCARD', key('working', entry.owner))
  local own = tie_break(entry.owner, entry.queue_member)
  local found = 1
  for _, owner in ipairs(redis.call('HKEYS', key('head-of'))) do
    local level = ahead - redis.call('SCARD', key('working', owner))  -- the rank in that queue with equally many ahead
    found = found + math.min(math.max(level, 0), redis.call('ZCARD', key('queue', owner)))
    local rival = level >= 0 and redis.call('ZRANGE', key('queue', owner), level, level)[1]
    if rival and tie_break(owner, rival) < own then found = found + 1 end
  end
  return found
end
