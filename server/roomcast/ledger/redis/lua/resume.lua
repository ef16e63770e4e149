-- Delete a pause. The uploads of a template join the queue.
local target, name = ARGV[2], ARGV[3]
redis.call('HDEL', key('pauses'), target .. ':' .. name)
if target ~= 'template' then return 'resumed' end
local ids = redis.call('ZRANGE', key('paused', name), 0, -1)
redis.call('DEL', key('paused', name))
move_all(ids, name)
return 'resumed'
