-- Return uploads that are due for a cleanup, longest due first.
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('cleanups'), '-inf', exact(now), 'LIMIT', 0, ARGV[2])) do
  local found = snapshot(id)
  if found then due[#due + 1] = found else redis.call('ZREM', key('cleanups'), id) end  -- Redis evicted it
end
return {'due', exact(now), due}
