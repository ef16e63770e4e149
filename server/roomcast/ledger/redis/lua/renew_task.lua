-- Extend the lease of a task, record its progress, and read whether the upload's cancel was requested.
local id, number, token, seconds, fraction = unpack(ARGV, 2)
local upload = redis.call('HMGET', key('upload', id), 'seq', 'cancel')
if not upload[1] then return {'missing', exact(now), false} end
if not is_task_leased(id, number, token) then return {'lost', exact(now), false} end
redis.call('ZADD', key('leased-tasks', id), exact(now + tonumber(seconds)), number)
redis.call('HSET', key('tasks', id), task_field(number, 'fraction'), fraction)
return {'renewed', exact(now), upload[2]}
