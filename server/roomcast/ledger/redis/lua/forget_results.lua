-- Delete what is damaged under the upload's lease: the sound, if so, and the results of tasks, which can be claimed again.
local id, token, audio = ARGV[2], ARGV[3], ARGV[4] == '1'
local state = lease_state(id, token)
if state ~= 'current' then return {state, exact(now), false} end
if audio then redis.call('HDEL', key('plan', id), 'audio') end
for at = 5, #ARGV do
  local number = ARGV[at]
  if redis.call('HDEL', key('tasks', id), task_field(number, 'result')) == 1 then
    redis.call('HDEL', key('tasks', id), task_field(number, 'token'), task_field(number, 'fraction'))
    local weight = redis.call('HGET', key('tasks', id), task_field(number, 'weight'))
    redis.call('HINCRBY', key('plan', id), 'done', -1)
    redis.call('HINCRBY', key('plan', id), 'done-weight', '-' .. weight)
    redis.call('ZADD', key('waiting-tasks', id), number, number)
  end
end
redis.call('HINCRBY', key('plan', id), 'version', 1)
return {'forgotten', exact(now), read_board(id)}
