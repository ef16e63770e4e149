-- Lease a receiving upload to the process that has its bytes.
local id, token, seconds, steal = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
local current = redis.call('HMGET', key('upload', id), 'stage', 'token')
local verdict = 'leased'
if current[1] ~= 'receiving' then verdict = 'not receiving'
elseif current[2] and lease_expires(id) > now and not steal then verdict = 'leased already'
else
  redis.call('HSET', key('upload', id), 'token', token)
  redis.call('ZADD', LEASES, exact(now + seconds), id)
  redis.call('ZREM', key('receiving'), id)
end
return {verdict, exact(now), snapshot(id)}
