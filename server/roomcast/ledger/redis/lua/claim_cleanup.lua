-- Claim the cleanup of an upload, or (without an id) the one that is longest due, for `seconds`.
local id, seconds = ARGV[2], tonumber(ARGV[3])

local function first_due()
  return redis.call('ZRANGEBYSCORE', key('cleanups'), '-inf', exact(now), 'LIMIT', 0, 1)[1]
end

local function is_due(one)
  local at = redis.call('ZSCORE', key('cleanups'), one)
  return at and tonumber(at) <= now
end

local due = id == '' and first_due() or id
while due and due ~= '' and is_due(due) do
  local found = snapshot(due)
  if found then
    redis.call('ZADD', key('cleanups'), exact(now + seconds), due)
    return {'claimed', exact(now), found}
  end
  redis.call('ZREM', key('cleanups'), due)  -- Redis evicted it
  due = id == '' and first_due()
end
return {'none', exact(now)}
