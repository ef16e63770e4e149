-- Lease the first of the queue and write its event, if it is the upload that the caller worked the event out for
-- (`id`, `seq`). Otherwise answer the first of the queue, for the caller to do so.
local id, seq = ARGV[2], ARGV[3]
promote()
local first, there
while not there do
  local head = redis.call('ZRANGE', key('heads'), 0, 0)[1]
  if not head then return {'empty', exact(now), false} end
  first = head:match('([^|]*)$')
  there = snapshot(first)
  if not there then  -- Redis evicted it
    redis.call('ZREM', key('heads'), head)
    delete(first)
  end
end
if first ~= id or there[2] ~= seq then return {'next', exact(now), there} end

local token, seconds = ARGV[4], tonumber(ARGV[5])
local stage, next_seq, record, body, kept, entry = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
store(id, stage, next_seq, record, body, kept)
redis.call('HSET', key('upload', id), 'token', token)
redis.call('ZADD', LEASES, exact(now + seconds), id)
redis.call('HSET', key('served'), cjson.decode(entry).owner, string.format('%017.6f', now))
move(id, entry)
return {'claimed', exact(now)}
