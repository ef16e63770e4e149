-- Return an upload, pairs of body and actor of its events, and its log lines.
local id = ARGV[2]
local found = snapshot(id)
if not found then return {'missing', exact(now), false} end
local events, lines = {}, {}
for index, event in ipairs(redis.call('XRANGE', key('events', id), '-', '+')) do
  events[index] = {event[2][2], event[2][4] or ''}
end
for index, line in ipairs(redis.call('XRANGE', key('lines', id), '-', '+')) do lines[index] = line[2][2] end
return {'read', exact(now), found, events, lines}
