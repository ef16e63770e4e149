-- Lengthen a lease, and read whether a cancel was requested.
local id, token, seconds = ARGV[2], ARGV[3], tonumber(ARGV[4])
local is = redis.call('HMGET', key('upload', id), 'seq', 'token', 'cancel')
if not is[1] then return {'missing', exact(now), false} end
if is[2] ~= token or lease_ends(id) <= now then return {'lost', exact(now), false} end
redis.call('ZADD', LEASES, exact(now + seconds), id)
return {'renewed', exact(now), is[3]}
