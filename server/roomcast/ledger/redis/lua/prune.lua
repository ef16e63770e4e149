-- Delete uploads that ended before a time, and return their ids.
local before, limit = ARGV[2], tonumber(ARGV[3])
local pruned = {}
for at = 4, #ARGV do
  local ended = redis.call('ZRANGEBYSCORE', key('ended', ARGV[at]), '-inf', '(' .. before, 'LIMIT', 0, limit - #pruned)
  for _, id in ipairs(ended) do
    delete(id)
    pruned[#pruned + 1] = id
  end
end
return pruned
