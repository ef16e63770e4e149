-- Return the records of a group, newest first.
local tbl, group = ARGV[2], ARGV[3]
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', group_key(tbl, group), 0, -1)) do
  local record = read_record(tbl, id)
  if record then found[#found + 1] = record else redis.call('ZREM', group_key(tbl, group), id) end
end
return found
