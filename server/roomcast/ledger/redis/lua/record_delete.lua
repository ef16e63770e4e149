-- Delete a record, if there is one.
local tbl, id = ARGV[2], ARGV[3]
local group = redis.call('HGET', record_key(tbl, id), 'group')
if group and group ~= '' then redis.call('ZREM', group_key(tbl, group), id) end
redis.call('ZREM', key(tbl, 'due'), id)
return redis.call('DEL', record_key(tbl, id))
