-- Record a pause. The queued uploads of a template leave the queue.
local target, name, body = ARGV[2], ARGV[3], ARGV[4]
if redis.call('HSETNX', key('pauses'), target .. ':' .. name, body) == 0 or target ~= 'template' then return 'paused' end
local owners = {}
for _, id in ipairs(redis.call('ZRANGE', key('waiting'), 0, -1)) do
  local entry = entry_of(id)
  if entry and entry.template == name then
    leave_queue(id, entry)
    join_queue(id, entry)
    owners[entry.owner] = true
  end
end
for owner in pairs(owners) do update_head(owner) end
redis.call('PUBLISH', key('queue-moved'), '')
return 'paused'
