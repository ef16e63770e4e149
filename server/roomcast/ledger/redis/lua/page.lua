-- Return the first uploads between two list members of some listings: pairs of member and upload, newest or oldest first.
local oldest_first, low, high, limit = ARGV[2] == '1', ARGV[3], ARGV[4], tonumber(ARGV[5])
local members = {}
local function collect(found)
  for _, member in ipairs(found) do members[#members + 1] = member end
end
for at = 6, #ARGV do
  local listing = BASE .. ':' .. ARGV[at]
  if oldest_first then collect(redis.call('ZRANGEBYLEX', listing, low, high, 'LIMIT', 0, limit))
  else collect(redis.call('ZREVRANGEBYLEX', listing, high, low, 'LIMIT', 0, limit)) end
end
table.sort(members, function(one, other)
  if oldest_first then return one < other end
  return one > other
end)
local page = {}
for at = 1, math.min(limit, #members) do page[at] = {members[at], snapshot(members[at]:match('|(.*)$'))} end
return {exact(now), page}
