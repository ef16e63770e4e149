-- Lease the first upload of the queue and write its event, if it is the one that the caller computed the event for
-- (`id`, `seq`). Otherwise return the first upload, for which the caller then computes the event.
local id, seq, worker = ARGV[2], ARGV[3], ARGV[4]
if is_paused('worker', worker) or is_paused('worker', '*') then return {'paused', exact(now), false} end
promote()
local first, found
while not found do
  local head = redis.call('ZRANGE', key('heads'), 0, 0)[1]
  if not head then return {'empty', exact(now), false} end
  first = head:match('([^|]*)$')
  found = snapshot(first)
  if not found then  -- Redis evicted it
    redis.call('ZREM', key('heads'), head)
    delete(first)
  end
end
if first ~= id or found[2] ~= seq then return {'next', exact(now), found} end

local token, seconds = ARGV[5], tonumber(ARGV[6])
local stage, next_seq, record, body, log_length, actor, counts, entry = unpack(ARGV, 7)
store(id, stage, next_seq, record, body, log_length, actor, counts)
redis.call('HSET', key('upload', id), 'token', token)
redis.call('ZADD', LEASES, exact(now + seconds), id)
redis.call('HSET', key('served'), cjson.decode(entry).owner, string.format('%017.6f', now))
move(id, entry)
return {'claimed', exact(now)}
