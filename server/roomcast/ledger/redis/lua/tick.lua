-- Store the latest tick of each upload; return how many each has had since its last event, or -1 for one that is stale.
local counts = {}
for at = 2, #ARGV, 5 do
  local id, token, seq, record, body = unpack(ARGV, at, at + 4)
  local current = redis.call('HMGET', key('upload', id), 'token', 'seq', 'ticks')
  local count = -1
  if current[1] == token and current[2] == seq and lease_expires(id) > now then
    count = (tonumber(current[3]) or 0) + 1
    redis.call('HSET', key('upload', id), 'tick', record, 'ticks', count)
    redis.call('PUBLISH', key('notices', id), 't' .. body)
  end
  counts[#counts + 1] = count
end
return counts
