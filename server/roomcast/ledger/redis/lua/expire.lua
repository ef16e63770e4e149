-- Delete uploads that ended before a time, and answer their ids.
local before, most = ARGV[2], tonumber(ARGV[3])
local expired = {}
for at = 4, #ARGV do
  local ended = redis.call('ZRANGEBYSCORE', key('ended', ARGV[at]), '-inf', '(' .. before, 'LIMIT', 0, most - #expired)
  for _, id in ipairs(ended) do
    delete(id)
    expired[#expired + 1] = id
  end
end
return expired
