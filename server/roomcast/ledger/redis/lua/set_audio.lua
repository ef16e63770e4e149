-- Record the sound of a film under the upload's lease.
local id, token, body = ARGV[2], ARGV[3], ARGV[4]
local state = lease_state(id, token)
if state ~= 'current' then return {state, exact(now), false} end
if redis.call('EXISTS', key('plan', id)) == 0 then return {'no plan', exact(now), false} end
redis.call('HSET', key('plan', id), 'audio', body)
redis.call('HINCRBY', key('plan', id), 'version', 1)
return {'recorded', exact(now), true}
