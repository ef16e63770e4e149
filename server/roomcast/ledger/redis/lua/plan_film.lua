-- Record the plan of an upload under its lease; return its board. `weights` is a JSON array, by number from 0.
local id, token, plan_id, encoder, body, weight, weights, lasting_code = unpack(ARGV, 2)
local state = lease_state(id, token)
if state ~= 'current' then return {state, exact(now), false} end

local stored = redis.call('HMGET', key('plan', id), 'plan-id', 'version', 'failure')
local tasks = cjson.decode(weights)
if stored[1] == plan_id then
  redis.call('HSET', key('plan', id), 'plan', body)
  if stored[3] then
    local readable, failure = pcall(cjson.decode, stored[3])
    if not (readable and type(failure) == 'table' and failure.code == lasting_code) then
      redis.call('HDEL', key('plan', id), 'failure')
      for number = 0, #tasks - 1 do
        redis.call('HDEL', key('tasks', id), task_field(number, 'failures'), task_field(number, 'losses'))
      end
    end
  end
  return {'planned', exact(now), read_board(id)}
end

local position = redis.call('ZSCORE', key('films'), id)
local last = redis.call('ZRANGE', key('films'), -1, -1, 'WITHSCORES')[2] or 0
delete_plan(id)
redis.call('ZADD', key('films'), position or last + 1, id)
redis.call('HSET', key('plan', id), 'plan-id', plan_id, 'encoder', encoder, 'plan', body, 'tasks', #tasks,
  'weight', weight, 'version', stored[2] and stored[2] + 1 or 0, 'done', 0, 'done-weight', 0)
for index, task_weight in ipairs(tasks) do
  redis.call('HSET', key('tasks', id), task_field(index - 1, 'weight'), string.format('%.0f', task_weight))
  redis.call('ZADD', key('waiting-tasks', id), index - 1, index - 1)
end
return {'planned', exact(now), read_board(id)}
