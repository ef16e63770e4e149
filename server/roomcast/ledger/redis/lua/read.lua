-- Read an upload, its queue position and, if `since` is given, its events after it.
local id, since = ARGV[2], ARGV[3]
local found = snapshot(id)
if not found then return {'missing', exact(now), false} end
local bodies = {}
if since ~= '' then
  for index, event in ipairs(redis.call('XRANGE', key('events', id), '(' .. since .. '-0', '+')) do
    bodies[index] = event[2][2]
  end
end
local queued = redis.call('HGET', key('upload', id), 'stage') == 'queued'
local entry = queued and entry_of(id)
return {'read', exact(now), found, queued and position(id), bodies, entry and is_paused('template', entry.template)}
