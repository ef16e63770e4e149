-- Read an upload, its position in the queue and, if `since` is given, its events after it.
local id, since = ARGV[2], ARGV[3]
local there = snapshot(id)
if not there then return {'missing', exact(now), false} end
local bodies = {}
if since ~= '' then
  for place, event in ipairs(redis.call('XRANGE', key('events', id), '(' .. since .. '-0', '+')) do
    bodies[place] = event[2][2]
  end
end
local queued = redis.call('HGET', key('upload', id), 'stage') == 'queued'
return {'read', exact(now), there, queued and position(id), bodies}
