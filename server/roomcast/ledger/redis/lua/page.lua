-- Return the newest uploads of some listings after a list member: pairs of member and upload, newest first.
local after, limit = ARGV[2], tonumber(ARGV[3])
local members = {}
for at = 4, #ARGV do
  for _, member in ipairs(redis.call('ZREVRANGEBYLEX', BASE .. ':' .. ARGV[at], after, '-', 'LIMIT', 0, limit)) do
    members[#members + 1] = member
  end
end
table.sort(members, function(one, other) return one > other end)
local page = {}
for at = 1, math.min(limit, #members) do page[at] = {members[at], snapshot(members[at]:match('|(.*)$'))} end
return {exact(now), page}
