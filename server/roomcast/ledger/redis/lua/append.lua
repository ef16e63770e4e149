-- Write an event if the upload is as the caller read it (`seq`, `ticks`, `cancel`) and the caller may write
-- (`precondition`, `token`). With `entry`, the upload is listed by that from now on, and `queue.lua` must be included.
local id, precondition, token, seq, ticks, cancel = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local stage, next_seq, record, body, kept = ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local ends_lease, entry = ARGV[13] == '1', ARGV[14]

local is = redis.call('HMGET', key('upload', id), 'seq', 'ticks', 'token', 'cancel')
local allowed = is[1] == seq and (is[2] or '0') == ticks and (is[3] or '') == token
if precondition ~= 'free' then
  allowed = allowed and (lease_ends(id) > now) == (precondition == 'holder')
  -- With the lease the cancel request goes, so whoever ends the lease must have read it.
  if ends_lease then allowed = allowed and (is[4] or '') == cancel end
end
if not allowed then return {'moved', exact(now), snapshot(id)} end

store(id, stage, next_seq, record, body, kept)
if is[2] then redis.call('HDEL', key('upload', id), 'tick', 'ticks') end
if ends_lease then
  redis.call('HDEL', key('upload', id), 'token', 'cancel')
  redis.call('ZREM', LEASES, id)
end
if entry ~= '' then move(id, entry) end
return {'written', exact(now)}
