-- End the lease of a task, if it is current: the task waits from `not_before` on. `failed` counts the attempt, and with a
-- `failure` the film fails.
local id, number, token, failed, not_before, failure = unpack(ARGV, 2)
if not is_task_leased(id, number, token) then return {'lost', exact(now), false} end
redis.call('ZREM', key('leased-tasks', id), number)
redis.call('HDEL', key('tasks', id), task_field(number, 'token'), task_field(number, 'fraction'))
if failed == '1' then redis.call('HINCRBY', key('tasks', id), task_field(number, 'failures'), 1) end
if tonumber(not_before) > now then redis.call('ZADD', key('delayed-tasks', id), not_before, number)
else redis.call('ZADD', key('waiting-tasks', id), number, number) end
if failure ~= '' then redis.call('HSETNX', key('plan', id), 'failure', failure) end
return {'released', exact(now), true}
