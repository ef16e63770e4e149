-- Count all uploads: see `WorkQueue.stats` in `contract.py`.
promote()
local since, failures = ARGV[2], tonumber(ARGV[3])
local outcomes = {}
for at = 4, #ARGV do outcomes[at - 3] = redis.call('ZCOUNT', key('ended', ARGV[at]), since, '+inf') end
local function snapshots(ids)
  local found = {}
  for _, id in ipairs(ids) do found[#found + 1] = snapshot(id) or nil end
  return found
end
local waits_for_tasks, tasks = {}, {}
local leased = snapshots(redis.call('ZRANGE', LEASES, 0, -1))
for index, found in ipairs(leased) do
  local plan = redis.call('HMGET', key('plan', found[8]), 'tasks', 'done')
  waits_for_tasks[index] = plan[1] and tonumber(plan[2]) < tonumber(plan[1]) and 1 or 0
end
for _, id in ipairs(redis.call('ZRANGE', key('films'), 0, -1)) do
  local leases = redis.call('ZRANGE', key('leased-tasks', id), 0, -1, 'WITHSCORES')
  for at = 1, #leases, 2 do
    local number = leases[at]
    local task = redis.call('HMGET', key('tasks', id), task_field(number, 'token'), task_field(number, 'fraction'))
    tasks[#tasks + 1] = {snapshot(id), task[1], leases[at + 1], number, task[2]}
  end
end
return {
  exact(now),
  redis.call('HGETALL', key('templates')),
  redis.call('ZRANGE', key('waiting'), 0, 0, 'WITHSCORES'),
  redis.call('ZCARD', key('delayed')),
  redis.call('ZCARD', key('all', 'unfinished')),
  leased,
  outcomes,
  snapshots(failures > 0 and redis.call('ZREVRANGE', key('ended', 'failed'), 0, failures - 1) or {}),
  waits_for_tasks,
  tasks,
}
