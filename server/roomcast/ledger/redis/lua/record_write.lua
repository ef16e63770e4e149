-- Write a record if its revision follows the stored one; return whether it was written.
local tbl, id, body, revision, group, created_at, due_at, ttl = unpack(ARGV, 2)
if not follows(tbl, id, revision) then return 0 end
write_record(tbl, id, body, revision, group, created_at, due_at, ttl)
return 1
