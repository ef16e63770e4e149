-- Make readings the latest of their uploads: how many each has had since its last event, or -1 if it came too late.
local counts = {}
for at = 2, #ARGV, 5 do
  local id, token, seq, record, body = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local is = redis.call('HMGET', key('upload', id), 'token', 'seq', 'ticks')
  local count = -1
  if is[1] == token and is[2] == seq and lease_ends(id) > now then
    count = (tonumber(is[3]) or 0) + 1
    redis.call('HSET', key('upload', id), 'tick', record, 'ticks', count)
    redis.call('PUBLISH', key('notices', id), 't' .. body)
  end
  counts[#counts + 1] = count
end
return counts
