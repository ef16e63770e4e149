-- Set when an upload is due for its next cleanup; an empty time: never.
local id, at = ARGV[2], ARGV[3]
if at == '' or redis.call('EXISTS', key('upload', id)) == 0 then
  redis.call('ZREM', key('cleanups'), id)
  local entry = entry_of(id)
  -- `prune` may have taken it off.
  if entry and not UNFINISHED[entry.state] then redis.call('ZADD', key('ended', entry.state), entry.since, id) end
else
  redis.call('ZADD', key('cleanups'), at, id)
end
return 'set'
