-- Delete uploads that ended longer ago than `seconds`, and return their ids. Those that are due for a cleanup some time
-- are only taken off the listing that this reads, so that they are not found again.
local before, limit = exact(now - tonumber(ARGV[2])), tonumber(ARGV[3])
local pruned = {}
for at = 4, #ARGV do
  local ended = redis.call('ZRANGEBYSCORE', key('ended', ARGV[at]), '-inf', '(' .. before, 'LIMIT', 0, limit - #pruned)
  for _, id in ipairs(ended) do
    if redis.call('ZSCORE', key('cleanups'), id) then
      redis.call('ZREM', key('ended', ARGV[at]), id)
    else
      delete(id)
      pruned[#pruned + 1] = id
    end
  end
end
return pruned
