-- Record the result of a task under its lease. The token stays, so that the same completion can be repeated.
local id, number, token, result = unpack(ARGV, 2)
if redis.call('EXISTS', key('upload', id)) == 0 then return {'missing', exact(now), false} end
local tasks = key('tasks', id)
if redis.call('HEXISTS', tasks, task_field(number, 'result')) == 1 then
  local same = redis.call('HGET', tasks, task_field(number, 'token')) == token
  return {same and 'completed' or 'lost', exact(now), false}
end
if not is_task_leased(id, number, token) then return {'lost', exact(now), false} end
redis.call('ZREM', key('leased-tasks', id), number)
redis.call('HSET', tasks, task_field(number, 'result'), result)
redis.call('HSET', key('plan', id), 'advanced', '1')
redis.call('HINCRBY', key('plan', id), 'version', 1)
redis.call('HINCRBY', key('plan', id), 'done', 1)
redis.call('HINCRBY', key('plan', id), 'done-weight', redis.call('HGET', tasks, task_field(number, 'weight')))
return {'completed', exact(now), true}
