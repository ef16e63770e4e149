-- Write an event if the upload is as the caller read it (`seq`, `ticks`, `cancel`) and the caller may write
-- (`precondition`, `token`). With `entry`, the listings of the upload change to it, and `queue.lua` must be included.
-- With `sets_aside`, the record before the event is preserved as the field `unreadable`.
local id, precondition, token, seq, ticks, cancel = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local stage, next_seq, record, body, log_length, actor, counts = unpack(ARGV, 8, 14)
local ends_lease, entry, sets_aside = ARGV[15] == '1', ARGV[16], ARGV[17] == '1'

local current = redis.call('HMGET', key('upload', id), 'seq', 'ticks', 'token', 'cancel')
local allowed = current[1] == seq and (current[2] or '0') == ticks and (current[3] or '') == token
if precondition == 'clean' then
  local due = redis.call('ZSCORE', key('cleanups'), id)
  if due and tonumber(due) > now then return {'cleanup claimed', exact(now)} end
elseif precondition ~= 'free' then
  allowed = allowed and (lease_expires(id) > now) == (precondition == 'holder')
  -- The end of the lease clears the cancel flag, so the process that ends the lease must have read the flag.
  if ends_lease then allowed = allowed and (current[4] or '') == cancel end
end
if not allowed then return {'changed', exact(now), snapshot(id)} end

if sets_aside then redis.call('HSET', key('upload', id), 'unreadable', redis.call('HGET', key('upload', id), 'record')) end
store(id, stage, next_seq, record, body, log_length, actor, counts)
if current[2] then redis.call('HDEL', key('upload', id), 'tick', 'ticks') end
if ends_lease then
  redis.call('HDEL', key('upload', id), 'token', 'cancel', 'cancelled-by')
  redis.call('ZREM', LEASES, id)
end
if precondition == 'expired' then redis.call('HDEL', key('plan', id), 'advanced') end
if entry ~= '' then move(id, entry) end
return {'written', exact(now)}
