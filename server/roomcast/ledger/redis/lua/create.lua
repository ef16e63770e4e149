-- Create uploads of one owner: all, or none.
local in_flight, owner, kept = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FIRST, FIELDS = 5, 5
local count = (#ARGV - FIRST + 1) / FIELDS
if in_flight and redis.call('SCARD', key('unfinished', owner)) + count > in_flight then return 'too many' end
for at = FIRST, #ARGV, FIELDS do
  if redis.call('EXISTS', key('upload', ARGV[at])) == 1 then return 'exists' end
end
for at = FIRST, #ARGV, FIELDS do
  local id, stage, record, body, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  delete(id)  -- what may be left of an upload that Redis evicted
  store(id, stage, 1, record, body, kept)
  move(id, entry)
end
return 'created'
