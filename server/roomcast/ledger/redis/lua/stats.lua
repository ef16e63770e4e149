-- Count all uploads: see `WorkQueue.stats` in `contract.py`.
promote()
local since, failures = ARGV[2], tonumber(ARGV[3])
local outcomes = {}
for at = 4, #ARGV do outcomes[at - 3] = redis.call('ZCOUNT', key('ended', ARGV[at]), since, '+inf') end
local function snapshots(ids)
  local found = {}
  for _, id in ipairs(ids) do found[#found + 1] = snapshot(id) or nil end
  return found
end
return {
  exact(now),
  redis.call('HGETALL', key('templates')),
  redis.call('ZRANGE', key('waiting'), 0, 0, 'WITHSCORES'),
  redis.call('ZCARD', key('delayed')),
  redis.call('ZCARD', key('all', 'unfinished')),
  snapshots(redis.call('ZRANGE', LEASES, 0, -1)),
  outcomes,
  snapshots(failures > 0 and redis.call('ZREVRANGE', key('ended', 'failed'), 0, failures - 1) or {}),
}
