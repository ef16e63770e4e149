-- Delete a pause. The uploads of a template join the queue.
local target, name = ARGV[2], ARGV[3]
redis.call('HDEL', key('pauses'), target .. ':' .. name)
if target ~= 'template' then return 'resumed' end
local ids, owners = redis.call('ZRANGE', key('paused', name), 0, -1), {}
redis.call('DEL', key('paused', name))
for _, id in ipairs(ids) do
  local entry = entry_of(id)
  if entry then
    join_queue(id, entry)
    owners[entry.owner] = true
  end
end
for owner in pairs(owners) do update_head(owner) end
redis.call('PUBLISH', key('queue-moved'), '')
return 'resumed'
