-- Return the pauses: triples of field, body and the number of uploads that wait because of it.
promote()
local found, all = {}, redis.call('HGETALL', key('pauses'))
for at = 1, #all, 2 do
  local template = all[at]:match('^template:(.*)$')
  found[#found + 1] = {all[at], all[at + 1], template and redis.call('ZCARD', key('paused', template)) or 0}
end
return found
