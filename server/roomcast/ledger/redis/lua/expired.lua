-- Return uploads whose lease has expired, and unleased ones that have waited for bytes for longer than `seconds`; and for
-- each whether a task of its film was completed since a worker lost its lease, and the id of its plan.
local before, limit = exact(now - tonumber(ARGV[2])), ARGV[3]
local expired, films = {}, {}
local function collect(ids)
  for _, id in ipairs(ids) do
    local found = snapshot(id)
    if found then
      expired[#expired + 1] = found
      films[#expired] = redis.call('HMGET', key('plan', id), 'advanced', 'plan-id')
    else
      delete(id)  -- Redis evicted it
    end
  end
end
collect(redis.call('ZRANGEBYSCORE', LEASES, '-inf', exact(now), 'LIMIT', 0, limit))
collect(redis.call('ZRANGEBYSCORE', key('receiving'), '-inf', '(' .. before, 'LIMIT', 0, limit))
return {'expired', exact(now), expired, films}
