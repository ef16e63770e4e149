-- The record stores. Included in every script that reads or writes records.
--
--   <table>:one:<id>     hash    record, revision, group, due
--   <table>:group:<name> zset    the ids of a group by the time at which the record was created
--   <table>:due          zset    ids by the time at which the record is due
--
-- A record and its group expire by themselves after `ttl` seconds without a write.
local function record_key(tbl, id) return key(tbl .. ':one', id) end
local function group_key(tbl, group) return key(tbl .. ':group', group) end

-- Return the body, the revision and the due time; false if there is no such record.
local function read_record(tbl, id)
  local fields = redis.call('HMGET', record_key(tbl, id), 'record', 'revision', 'due')
  return fields[1] and fields
end

-- Return whether `revision` follows the stored one (0 if there is no such record).
local function follows(tbl, id, revision)
  return (tonumber(redis.call('HGET', record_key(tbl, id), 'revision')) or 0) == tonumber(revision) - 1
end

local function write_record(tbl, id, body, revision, group, created_at, due_at, ttl)
  local old = redis.call('HGET', record_key(tbl, id), 'group')
  if old and old ~= '' and old ~= group then redis.call('ZREM', group_key(tbl, old), id) end
  redis.call('HSET', record_key(tbl, id), 'record', body, 'revision', revision, 'group', group, 'due', due_at)
  redis.call('EXPIRE', record_key(tbl, id), ttl)
  if group ~= '' then
    redis.call('ZADD', group_key(tbl, group), created_at, id)
    redis.call('EXPIRE', group_key(tbl, group), ttl)
  end
  if due_at == '' then redis.call('ZREM', key(tbl, 'due'), id) else redis.call('ZADD', key(tbl, 'due'), due_at, id) end
end
