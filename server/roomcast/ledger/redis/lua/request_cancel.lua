-- Set the cancel flag of a leased upload, for its holder to read; return the upload.
local id, actor = ARGV[2], ARGV[3]
local leased = redis.call('HEXISTS', key('upload', id), 'token') == 1
if leased then redis.call('HSET', key('upload', id), 'cancel', '1', 'cancelled-by', actor) end
return {leased and 'requested' or 'free', exact(now), snapshot(id)}
