-- Extend a lease, and read whether a cancel was requested.
local id, token, seconds = ARGV[2], ARGV[3], tonumber(ARGV[4])
local current = redis.call('HMGET', key('upload', id), 'seq', 'token', 'cancel')
if not current[1] then return {'missing', exact(now), false} end
if current[2] ~= token or lease_expires(id) <= now then return {'lost', exact(now), false} end
redis.call('ZADD', LEASES, exact(now + seconds), id)
return {'renewed', exact(now), current[3]}
