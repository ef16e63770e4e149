-- Lease an upload that is receiving to the intake that has its bytes.
local id, token, seconds, take_over = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
local is = redis.call('HMGET', key('upload', id), 'stage', 'token')
local verdict = 'leased'
if is[1] ~= 'receiving' then verdict = 'not receiving'
elseif is[2] and lease_ends(id) > now and not take_over then verdict = 'held'
else
  redis.call('HSET', key('upload', id), 'token', token)
  redis.call('ZADD', LEASES, exact(now + seconds), id)
  redis.call('ZREM', key('receiving'), id)
end
return {verdict, exact(now), snapshot(id)}
