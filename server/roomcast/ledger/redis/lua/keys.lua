-- Included in every script of the ledger. `time_of` and `exact` come from `redis_lua.py`.
--
-- Every key is BASE:name or BASE:name:of. BASE is a hash tag, so all keys of a ledger are in one slot, and one script
-- may change any of them:
--
--   schema               string  the schema version (`schema.py`)
--   upload:<id>          hash    record, seq, stage; token and cancel while leased; tick and ticks since the last event;
--                                unreadable: the damaged record of an upload that was set aside
--   events:<id>          stream  the event log; the id of an entry is its seq
--                                with `body` and `actor`, who has caused it
--   lines:<id>           stream  log lines about the upload
--   history:<minute>     hash    counts of the events of a minute; expires by itself
--   notices:<id>         channel every event and tick
--   leases               zset    upload id by the time at which its lease expires
--
-- `queue.lua` lists the keys of the queue and the listings, `records.lua` those of the record stores, and `segments.lua`
-- those of films that are compressed in segments.
local BASE = KEYS[1]
local LEASES = BASE .. ':leases'
local now = time_of(ARGV[1])

local function key(name, of)
  if of then return BASE .. ':' .. name .. ':' .. of end
  return BASE .. ':' .. name
end

-- Return the fields that `uploads.Snapshot` parses; false if there is no such upload. The ninth is there to describe
-- an upload whose record is damaged.
local function snapshot(id)
  local state = redis.call('HMGET', key('upload', id), 'record', 'seq', 'token', 'cancel', 'tick', 'ticks')
  if not state[1] then return false end
  state[7] = redis.call('ZSCORE', LEASES, id)
  state[8] = id
  state[9] = redis.call('HGET', key('entries'), id)
  state[10] = redis.call('HGET', key('upload', id), 'cancelled-by')
  return state
end

local function lease_expires(id) return tonumber(redis.call('ZSCORE', LEASES, id) or 0) end

-- Add counts, given as `name number name number …`, to those of the present minute.
local function count(counts)
  local minute = key('history', string.format('%d', math.floor(now / 60)))
  for name, number in counts:gmatch('(%S+) (%S+)') do redis.call('HINCRBY', minute, name, number) end
  redis.call('EXPIRE', minute, 90000)
end

local TERMINAL = {done = true, failed = true, cancelled = true, deleted = true}

-- Delete the plan of a film with its tasks; see `segments.lua`.
local function delete_plan(id)
  redis.call('ZREM', key('films'), id)
  redis.call('DEL', key('plan', id), key('tasks', id), key('waiting-tasks', id), key('delayed-tasks', id),
    key('leased-tasks', id))
end

-- Write event `seq`: the record, the log, the notification and the history. The last one ends the plan of a film.
local function store(id, stage, seq, record, body, log_length, actor, counts)
  redis.call('XADD', key('events', id), 'MAXLEN', '=', log_length, seq .. '-0', 'body', body, 'actor', actor)
  if counts and counts ~= '' then count(counts) end
  redis.call('HSET', key('upload', id), 'record', record, 'seq', seq, 'stage', stage)
  if TERMINAL[stage] then delete_plan(id) end
  redis.call('PUBLISH', key('notices', id), 'e' .. body)
end
