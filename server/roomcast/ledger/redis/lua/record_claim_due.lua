-- Return records that are due with their ids, longest due first; each gets the next revision and is due again after `seconds`.
local tbl, limit, seconds, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key(tbl, 'due'), '-inf', exact(now), 'LIMIT', 0, limit)) do
  if read_record(tbl, id) then
    redis.call('HINCRBY', record_key(tbl, id), 'revision', 1)
    redis.call('HSET', record_key(tbl, id), 'due', exact(now + seconds))
    redis.call('ZADD', key(tbl, 'due'), exact(now + seconds), id)
    redis.call('EXPIRE', record_key(tbl, id), ttl)
    local group = redis.call('HGET', record_key(tbl, id), 'group')
    if group ~= '' then redis.call('EXPIRE', group_key(tbl, group), ttl) end
    local record = read_record(tbl, id)
    table.insert(record, 1, id)
    claimed[#claimed + 1] = record
  else
    redis.call('ZREM', key(tbl, 'due'), id)
  end
end
return claimed
