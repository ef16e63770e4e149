-- Lease the first upload of the queue and write its event, if it is the one that the caller computed the event for
-- (`id`, `seq`). Otherwise return the first upload, for which the caller then computes the event. Without `videos`, it is the
-- first that is no video, which is only looked for among the next `MAX_VIDEOS` uploads of each owner.
local id, seq, worker, videos = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local MAX_VIDEOS = 1000
if is_paused('worker', worker) or is_paused('worker', '*') then return {'paused', exact(now), false} end
promote()

local function first_of_others()
  local first
  for _, owner in ipairs(redis.call('HKEYS', key('head-of'))) do
    for _, member in ipairs(redis.call('ZRANGE', key('queue', owner), 0, MAX_VIDEOS - 1)) do
      local entry = entry_of(member:match('([^|]*)$'))
      if not entry or not entry.video then
        local head = head_with(owner, member)
        if not first or head < first then first = head end
        break
      end
    end
  end
  return first
end

local first, found
while not found do
  local head
  if videos then head = redis.call('ZRANGE', key('heads'), 0, 0)[1] else head = first_of_others() end
  if not head then return {'empty', exact(now), false} end
  first = head:match('([^|]*)$')
  found = snapshot(first)
  if not found then  -- Redis evicted it
    redis.call('ZREM', key('heads'), head)
    delete(first)
  end
end
if first ~= id or found[2] ~= seq then return {'next', exact(now), found} end

local token, seconds = ARGV[6], tonumber(ARGV[7])
local stage, next_seq, record, body, log_length, actor, counts, entry = unpack(ARGV, 8)
store(id, stage, next_seq, record, body, log_length, actor, counts)
redis.call('HSET', key('upload', id), 'token', token)
redis.call('ZADD', LEASES, exact(now + seconds), id)
redis.call('HSET', key('served'), cjson.decode(entry).owner, string.format('%017.6f', now))
move(id, entry)
return {'claimed', exact(now)}
