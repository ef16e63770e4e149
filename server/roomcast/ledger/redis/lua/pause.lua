-- Record a pause. The queued uploads of a template leave the queue.
local target, name, body = ARGV[2], ARGV[3], ARGV[4]
if redis.call('HSETNX', key('pauses'), target .. ':' .. name, body) == 0 or target ~= 'template' then return 'paused' end
move_all(redis.call('ZRANGE', key('waiting'), 0, -1), name)
return 'paused'
