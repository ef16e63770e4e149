-- Uploads whose lease has lapsed, and those that have received nothing since `before`.
local before, most = ARGV[2], ARGV[3]
local due = {}
local function collect(ids)
  for _, id in ipairs(ids) do
    local there = snapshot(id)
    if there then due[#due + 1] = there else delete(id) end  -- Redis evicted it
  end
end
collect(redis.call('ZRANGEBYSCORE', LEASES, '-inf', exact(now), 'LIMIT', 0, most))
collect(redis.call('ZRANGEBYSCORE', key('receiving'), '-inf', '(' .. before, 'LIMIT', 0, most))
return {'due', exact(now), due}
