-- Create uploads of one owner, and write records beside them: all of it, or nothing.
local in_flight, owner, log_length, records = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local RECORDS, RECORD_FIELDS, UPLOAD_FIELDS = 6, 8, 6
local UPLOADS = RECORDS + records * RECORD_FIELDS
local count = (#ARGV - UPLOADS + 1) / UPLOAD_FIELDS
if in_flight and redis.call('SCARD', key('unfinished', owner)) + count > in_flight then return 'too many' end
for at = UPLOADS, #ARGV, UPLOAD_FIELDS do
  if redis.call('EXISTS', key('upload', ARGV[at])) == 1 then return 'exists' end
end
for at = RECORDS, UPLOADS - 1, RECORD_FIELDS do
  if not follows(ARGV[at], ARGV[at + 1], ARGV[at + 3]) then return 'conflict' end
end
for at = RECORDS, UPLOADS - 1, RECORD_FIELDS do write_record(unpack(ARGV, at, at + RECORD_FIELDS - 1)) end
for at = UPLOADS, #ARGV, UPLOAD_FIELDS do
  local id, stage, record, body, entry, actor = unpack(ARGV, at, at + UPLOAD_FIELDS - 1)
  delete(id)  -- the remains of an upload that Redis evicted
  store(id, stage, 1, record, body, log_length, actor)
  move(id, entry)
end
return 'created'
