-- The films that are compressed in segments. Included in every script about them. A task is named by its number.
--
--   films                zset    upload id by its position in the order in which the films were planned
--   plan:<id>            hash    plan, plan-id, encoder; tasks, weight, done, done-weight: counts and sums of tasks; version,
--                                audio, failure; advanced: a task was completed since a worker lost the upload's lease
--   tasks:<id>           hash    `<number>:weight`, failures, losses; token and fraction while leased; result, and then the
--                                token stays
--   waiting-tasks:<id>   zset    tasks that can be claimed, by number
--   delayed-tasks:<id>   zset    tasks that wait for a retry, by the time at which it is due
--   leased-tasks:<id>    zset    tasks by the time at which their lease expires
--
-- `keys.lua` deletes them with the upload's last event.
local function task_field(number, name) return number .. ':' .. name end

local function is_task_leased(id, number, token)
  return redis.call('HGET', key('tasks', id), task_field(number, 'token')) == token
    and tonumber(redis.call('ZSCORE', key('leased-tasks', id), number) or 0) > now
end

-- Whether `token` is that of the upload's current lease: `current`, `lost` or `missing`.
local function lease_state(id, token)
  local stored = redis.call('HMGET', key('upload', id), 'seq', 'token')
  if not stored[1] then return 'missing' end
  return stored[2] == token and lease_expires(id) > now and 'current' or 'lost'
end

-- Return the fields of the plan; `<number>:<result>` and `<number>:<failures>` of the tasks that have them; and number,
-- expiry, token and fraction of those that are leased. A client parses few strings much faster than many.
local function read_board(id)
  local fields, results, failures, leased = redis.call('HGETALL', key('tasks', id)), {}, {}, {}
  for at = 1, #fields, 2 do
    local number, name = fields[at]:match('^(%d+):(%a+)$')
    if name == 'result' then results[#results + 1] = number .. ':' .. fields[at + 1]
    elseif name == 'failures' then failures[#failures + 1] = number .. ':' .. fields[at + 1] end
  end
  local leases = redis.call('ZRANGEBYSCORE', key('leased-tasks', id), '(' .. exact(now), '+inf', 'WITHSCORES')
  for at = 1, #leases, 2 do
    local number = leases[at]
    local task = redis.call('HMGET', key('tasks', id), task_field(number, 'token'), task_field(number, 'fraction'))
    leased[#leased + 1] = {number, leases[at + 1], task[1], task[2]}
  end
  return {redis.call('HGETALL', key('plan', id)), results, failures, leased}
end
