-- Return how far a film is: the fields of its plan, weight and fraction of each leased task, the number that wait, and whether
-- none of these can be claimed.
local id = ARGV[2]
local upload = redis.call('HMGET', key('upload', id), 'seq', 'cancel')
if not upload[1] then return {'missing', exact(now), false} end
local plan = redis.call('HMGET', key('plan', id),
  'plan-id', 'version', 'tasks', 'done', 'weight', 'done-weight', 'failure')
-- Redis may have evicted the one or the other: no task could be claimed then.
if not plan[1] or not redis.call('ZSCORE', key('films'), id) then return {'no plan', exact(now), false} end
local leased, leases = {}, key('leased-tasks', id)
for index, number in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. exact(now), '+inf')) do
  leased[index] = redis.call('HMGET', key('tasks', id), task_field(number, 'weight'), task_field(number, 'fraction'))
end
local waiting = redis.call('ZCARD', key('waiting-tasks', id)) + redis.call('ZCOUNT', leases, '-inf', exact(now))
  + redis.call('ZCOUNT', key('delayed-tasks', id), '-inf', exact(now))
return {'read', exact(now), plan, leased, waiting, (plan[7] or upload[2]) and 1 or 0}
