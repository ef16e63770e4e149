-- The newest uploads of some listings, from a member on: list member and upload, newest first.
local after, most = ARGV[2], tonumber(ARGV[3])
local members = {}
for at = 4, #ARGV do
  for _, member in ipairs(redis.call('ZREVRANGEBYLEX', BASE .. ':' .. ARGV[at], after, '-', 'LIMIT', 0, most)) do
    members[#members + 1] = member
  end
end
table.sort(members, function(one, other) return one > other end)
local page = {}
for at = 1, math.min(most, #members) do page[at] = {members[at], snapshot(members[at]:match('|(.*)$'))} end
return {exact(now), page}
