-- Lease the first task of the order in `SegmentTasks.claim`, of the upload `only` or ("") of any. `lost` is the failure of
-- a task that has lost `max_losses` workers, as JSON.
local worker, encoder, token, seconds, only, max_losses, lost = unpack(ARGV, 2)
if only ~= '' and redis.call('EXISTS', key('upload', only)) == 0 then return {'missing', exact(now), false} end
if is_paused('worker', worker) or is_paused('worker', '*') then return {'none', exact(now), false} end

-- Put the tasks whose delay is over, or whose worker was lost, among those that wait.
local function settle(id)
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', key('delayed-tasks', id), '-inf', exact(now))) do
    redis.call('ZREM', key('delayed-tasks', id), number)
    redis.call('ZADD', key('waiting-tasks', id), number, number)
  end
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', key('leased-tasks', id), '-inf', exact(now))) do
    redis.call('ZREM', key('leased-tasks', id), number)
    redis.call('ZADD', key('waiting-tasks', id), number, number)
    redis.call('HDEL', key('tasks', id), task_field(number, 'token'), task_field(number, 'fraction'))
    redis.call('HINCRBY', key('tasks', id), task_field(number, 'failures'), 1)
    if redis.call('HINCRBY', key('tasks', id), task_field(number, 'losses'), 1) >= tonumber(max_losses) then
      local failure = cjson.decode(lost)
      failure.number = tonumber(number)
      redis.call('HSETNX', key('plan', id), 'failure', cjson.encode(failure))
    end
  end
end

local running, films = {}, {}
for position, id in ipairs(redis.call('ZRANGE', key('films'), 0, -1)) do
  local upload, entry = redis.call('HMGET', key('upload', id), 'stage', 'cancel'), entry_of(id)
  local plan = redis.call('HMGET', key('plan', id), 'encoder', 'plan-id')
  if not upload[1] or not entry or not plan[1] or TERMINAL[upload[1]] then
    delete_plan(id)  -- Redis evicted it, or a process of an earlier version has ended the upload
  else
    settle(id)
    running[entry.owner] = (running[entry.owner] or 0) + redis.call('ZCARD', key('leased-tasks', id))
    local stopped = redis.call('HEXISTS', key('plan', id), 'failure') == 1 or upload[2]
      or upload[1] == 'queued' and is_paused('template', entry.template)
    local number = redis.call('ZRANGE', key('waiting-tasks', id), 0, 0)[1]
    if number and not stopped and plan[1] == encoder and (only == '' or only == id) then
      films[#films + 1] = {
        id = id, plan_id = plan[2], owner = entry.owner, number = number,
        started = number ~= '0' and 1 or 0, position = position,
      }
    end
  end
end
if #films == 0 then return {'none', exact(now), false} end

table.sort(films, function(one, other)
  if running[one.owner] ~= running[other.owner] then return running[one.owner] < running[other.owner] end
  if one.started ~= other.started then return one.started < other.started end
  return one.position < other.position
end)
local id, number = films[1].id, films[1].number
redis.call('ZREM', key('waiting-tasks', id), number)
redis.call('ZADD', key('leased-tasks', id), exact(now + tonumber(seconds)), number)
redis.call('HSET', key('tasks', id), task_field(number, 'token'), token)
local counted = redis.call('HMGET', key('tasks', id), task_field(number, 'failures'), task_field(number, 'losses'))
local failures = tonumber(counted[1] or 0) - tonumber(counted[2] or 0)
return {'claimed', exact(now), snapshot(id), films[1].plan_id, number, failures}
