-- Return uploads whose lease has expired, and unleased ones that have waited for bytes for longer than `seconds`.
local before, limit = exact(now - tonumber(ARGV[2])), ARGV[3]
local expired = {}
local function collect(ids)
  for _, id in ipairs(ids) do
    local found = snapshot(id)
    if found then expired[#expired + 1] = found else delete(id) end  -- Redis evicted it
  end
end
collect(redis.call('ZRANGEBYSCORE', LEASES, '-inf', exact(now), 'LIMIT', 0, limit))
collect(redis.call('ZRANGEBYSCORE', key('receiving'), '-inf', '(' .. before, 'LIMIT', 0, limit))
return {'expired', exact(now), expired}
