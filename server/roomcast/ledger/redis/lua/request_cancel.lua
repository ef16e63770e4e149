-- Set the cancel flag of a leased upload, for its holder to read; return the upload.
local id = ARGV[2]
local leased = redis.call('HEXISTS', key('upload', id), 'token') == 1
if leased then redis.call('HSET', key('upload', id), 'cancel', '1') end
return {leased and 'requested' or 'free', exact(now), snapshot(id)}
